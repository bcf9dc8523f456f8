import GatewayCore

extension ProviderDefinition {
    /// DeepSeek's API, with an Anthropic-shaped one below `anthropic/`.
    static let deepSeek: ProviderDefinition = {
        var provider = ProviderDefinition("deepseek", host: "api.deepseek.com")
        provider.path = .plain(PlainPath(segments: ["v1", "beta", "anthropic"]))
        var surface = CompatSurface(dialect: .deepSeek)
        surface.reasoningEcho = ReasoningEcho()
        provider.compat = .openAI(surface)
        provider.usage = UsageRule(.openAI, except: [(.contains("/anthropic/"), .anthropic)])
        return provider
    }()
}

extension ChatDialect {
    /// DeepSeek: thinks unless told not to, and then takes neither probabilities nor forced calls (providers.md §11.2).
    static let deepSeek: ChatDialect = {
        var dialect = ChatDialect.usual(.maxTokens)
        dialect.thinkingNames = ["deepseek-reasoner", "deepseek-r1", "deepseek-v4"]
        dialect.drops = [Drop("logprobs", "top_logprobs", models: .thinking)]
        dialect.noEffort = .disabledThinking
        dialect.forcedCalls = .neverWhileThinking
        dialect.messages.content = .joinedTexts
        return dialect
    }()
}
