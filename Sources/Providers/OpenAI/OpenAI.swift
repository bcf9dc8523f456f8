import GatewayCore

extension ProviderDefinition {
    /// OpenAI's public API.
    static let openAI: ProviderDefinition = {
        var provider = ProviderDefinition("openai", host: "api.openai.com")
        provider.path = .plain(.version1)
        provider.compat = .openAI(.openAI)
        provider.responses = .native
        provider.embeddings = .openAI
        provider.usage = UsageRule(
            .openAI,
            except: [
                (.contains("/images/"), .openAIImages), (.ends("/speech"), .openAISpeech),
                (.contains("/audio/trans"), .openAITranscription),
            ])
        return provider
    }()
}

extension ChatDialect {
    /// OpenAI's own endpoint: models that think refuse the members that steer how they choose words (providers.md §11.2).
    static let openAI: ChatDialect = {
        var dialect = ChatDialect()
        dialect.developerRole = .kept
        dialect.outputLimit = .maxCompletionTokensWhenReasoning
        dialect.thinkingNames = ["o1", "o3", "o4", "gpt-5", "gpt-6"]
        dialect.drops = [
            Drop("temperature", models: .thinking, except: "1"),
            Drop(
                "top_p", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", models: .thinking),
            Drop("stop", models: .named(["o3", "o4-mini", "gpt-5"])),
        ]
        dialect.messages.drops = ["reasoning_content", "thinking_blocks"]
        dialect.messages.callIDs = .fortyCharacters
        dialect.answers = .asTheyAre
        return dialect
    }()
}
