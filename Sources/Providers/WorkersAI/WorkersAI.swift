import GatewayCore

extension ProviderDefinition {
    /// Cloudflare Workers AI; its URL names a Cloudflare account (providers.md §1.4).
    static let workersAI: ProviderDefinition = {
        var provider = ProviderDefinition("workers-ai", host: "api.cloudflare.com", prefix: "/client/v4/accounts")
        provider.bareModelPrefixes = ["@cf/", "@hf/"]
        provider.path = .bespoke { (input) throws(GatewayError) in
            let account = input.workersAIAccount ?? input.account.rawValue
            guard !account.isEmpty, account.utf8.allSatisfy({ UntrustedPath.isAlphanumeric($0) }) else {
                throw GatewayError(.internalFailure, origin: .gateway, detail: "no Cloudflare account for the URL")
            }
            let path = input.path.hasPrefix("v1/v1/") ? String(input.path.dropFirst(3)) : input.path
            let own = path.hasPrefix("v1/") || path.hasPrefix("run/") ? "" : "run/"
            return UpstreamPath(
                origin: input.root.origin, path: "\(input.root.prefix)/\(account)/ai/\(own)\(path)", fixed: 5)
        }
        provider.compat = .openAI(CompatSurface(base: "v1/", dialect: .workersAI))
        provider.embeddings = .adapted(by: EmbeddingAdapter(provider: "workers-ai"))
        provider.usage = UsageRule(.workersAI, except: [(.contains("/ai/v1/"), .openAI)])
        provider.prices = PriceNaming(importedAs: "cloudflare")
        provider.model = ModelPathRule { path in
            var name = path[...]
            if name.hasPrefix("run/") { name = name.dropFirst(4) }
            return name.hasPrefix("@") || name.hasPrefix("%40") ? UntrustedPath.percentDecoded(String(name)) : nil
        }
        return provider
    }()
}

extension ChatDialect {
    /// Workers AI: every message has content, and a tool's is one text (providers.md §11.2).
    static let workersAI: ChatDialect = {
        var dialect = ChatDialect.usual(.maxTokens)
        dialect.drops = [Drop("logit_bias")]
        dialect.severalAnswers = .refused
        dialect.messages.content = .joinedResults
        return dialect
    }()
}
