import GatewayCore

extension ProviderDefinition {
    /// Hugging Face's hosted inference; the documented host is a legacy one that operators may replace.
    static let huggingFace: ProviderDefinition = {
        var provider = ProviderDefinition("huggingface", host: "api-inference.huggingface.co", prefix: "/models")
        provider.aliases = ["hf"]
        provider.path = .plain(PlainPath(stripped: ["models/"]))
        provider.usage = UsageRule(.huggingFace)
        provider.model = ModelPathRule { path in
            let name = path.split(separator: "/").drop { $0 == "models" }.prefix(2).joined(separator: "/")
            return name.isEmpty ? nil : UntrustedPath.percentDecoded(name)
        }
        return provider
    }()
}
