import GatewayCore

extension ProviderDefinition {
    /// xAI's API; also serves the Responses and Messages formats.
    static let grok: ProviderDefinition = {
        var provider = ProviderDefinition("grok", host: "api.x.ai")
        provider.aliases = ["xai", "x-ai"]
        provider.path = .plain(.version1)
        provider.compat = .openAI(.grok)
        provider.responses = .native
        provider.usage = UsageRule(
            .xAI, except: [(.ends("/messages"), .anthropic), (.contains("/images/"), .openAIImages)])
        return provider
    }()
}

extension ChatDialect {
    /// xAI: models that think refuse penalties and stop texts (providers.md §11.2).
    static let grok: ChatDialect = {
        var dialect = ChatDialect.lenient
        dialect.thinkingNames = ["grok-4", "grok-3-mini", "grok-code", "grok-build"]
        dialect.drops = [Drop("presence_penalty", "frequency_penalty", "stop", models: .thinking)]
        return dialect
    }()
}
