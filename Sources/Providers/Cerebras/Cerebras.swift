import GatewayCore

extension ProviderDefinition {
    /// Cerebras' OpenAI-shaped API.
    static let cerebras: ProviderDefinition = {
        var provider = ProviderDefinition("cerebras", host: "api.cerebras.ai")
        provider.path = .plain(.version1)
        provider.compat = .openAI(.cerebras)
        provider.usage = UsageRule(.openAI)
        return provider
    }()
}

extension ChatDialect {
    /// Cerebras: penalties and biases are refused (providers.md §11.2).
    static let cerebras: ChatDialect = {
        var dialect = ChatDialect.usual(.maxCompletionTokens)
        dialect.drops = [Drop("frequency_penalty", "presence_penalty", "logit_bias")]
        return dialect
    }()
}
