import GatewayCore

extension ProviderDefinition {
    /// The provider inside the worker: no key, no network, OpenAI's format (contract, "Built-in provider").
    static let sandbox: ProviderDefinition = {
        var provider = ProviderDefinition(id: "sandbox", service: .sandbox)
        provider.path = .plain(.version1)
        provider.compat = .openAI(CompatSurface())
        provider.usage = UsageRule(.openAI)
        return provider
    }()
}
