import GatewayCore
import Providers
import Testing

private let account: AccountID = "0123456789abcdef0123456789abcdef"

@Suite struct RegistryTests {
    @Test("every slug and alias is unique and finds its provider; other spellings find none")
    func segments() {
        var seen: Set<String> = []
        for provider in ProviderRegistry.builtIn.all {
            for name in [provider.id.rawValue] + provider.aliases {
                #expect(seen.insert(name).inserted, "\(name) occurs twice")
                #expect(ProviderRegistry.builtIn.provider(segment: name)?.id == provider.id)
                #expect(name == name.lowercased())
                #expect(ProviderRegistry.builtIn.provider(segment: name.uppercased()) == nil)
            }
        }
        #expect(ProviderRegistry.builtIn.slugs.count == 26)
        for other in ["", "compat", "universal", "adobe-firefly", "openai/", "custom-x"] {
            #expect(ProviderRegistry.builtIn.provider(segment: other) == nil)
        }
    }

    @Test(
        "a compat model is split at its first slash",
        arguments: [
            ("openai/gpt-4o-mini", "openai", "gpt-4o-mini"),
            ("openrouter/openai/gpt-5-mini", "openrouter", "openai/gpt-5-mini"),
            ("workers-ai/@cf/meta/llama-3.1-8b-instruct", "workers-ai", "@cf/meta/llama-3.1-8b-instruct"),
            ("@cf/meta/llama-3.1-8b-instruct", "workers-ai", "@cf/meta/llama-3.1-8b-instruct"),
            ("google-vertex-ai/google/gemini-2.5-pro", "google-vertex-ai", "google/gemini-2.5-pro"),
            ("google/gemini-2.5-pro", "google-ai-studio", "gemini-2.5-pro"),
            ("perplexity/sonar", "perplexity-ai", "sonar"), ("perplexity-ai/sonar", "perplexity-ai", "sonar"),
            ("xai/grok-4", "grok", "grok-4"), ("parallel/speed", "parallel", "speed"),
            ("baseten/openai/gpt-oss-120b", "baseten", "openai/gpt-oss-120b"), ("sandbox/echo", "sandbox", "echo"),
        ])
    func compatModel(model: String, slug: String, name: String) throws {
        let (provider, bare) = try #require(ProviderRegistry.builtIn.compatTarget(model: model))
        #expect(provider.id.rawValue == slug)
        #expect(bare == name)
    }

    @Test(
        "a model without a known prefix has no provider",
        arguments: [
            "gpt-4o", "", "/", "openai/", "nobody/gpt", "replicate/x", "elevenlabs/x", "OpenAI/gpt-4o", "dynamic/r",
        ])
    func unknownModel(model: String) {
        #expect(ProviderRegistry.builtIn.compatTarget(model: model) == nil)
    }

    @Test(
        "an OpenAI-shaped call goes to the provider's chat endpoint under its bare model",
        arguments: [
            ("openai/gpt-4o", "https://api.openai.com/v1/chat/completions", "gpt-4o"),
            ("groq/m", "https://api.groq.com/openai/v1/chat/completions", "m"),
            ("perplexity/sonar", "https://api.perplexity.ai/chat/completions", "sonar"),
            ("deepseek/m", "https://api.deepseek.com/chat/completions", "m"),
            ("parallel/speed", "https://api.parallel.ai/chat/completions", "speed"),
            ("baseten/m", "https://inference.baseten.co/v1/chat/completions", "m"),
            ("openrouter/a/b", "https://openrouter.ai/api/v1/chat/completions", "a/b"),
            (
                "@cf/meta/l",
                "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef"
                    + "/ai/v1/chat/completions", "@cf/meta/l"
            ),
            (
                "azure/res/dep",
                "https://res.openai.azure.com/openai/deployments/dep/chat/completions?api-version=2024-10-21", "dep"
            ),
            ("google/g", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions", "g"),
            ("cohere/command-a", "https://api.cohere.ai/compatibility/v1/chat/completions", "command-a"),
        ])
    func compatTarget(model: String, expected: String, name: String) throws {
        let (provider, bare) = try #require(ProviderRegistry.builtIn.compatTarget(model: model))
        let (target, sent) = try provider.compatTarget(model: bare, account: account)
        #expect(target.origin.description + target.requestTarget == expected)
        #expect(sent == name)
    }

    @Test("providers without an OpenAI-shaped endpoint refuse the compat call with 2008")
    func noSurface() throws {
        let bedrock = try #require(ProviderRegistry.builtIn.provider(segment: "bedrock"))
        do {
            _ = try bedrock.compatTarget(model: "amazon.nova")
            Issue.record("accepted")
        } catch { #expect(error.kind == .invalidProvider) }
    }

    @Test(
        "base_url replaces origin and prefix before the canonical path, and a version is not doubled",
        arguments: [
            ("openai", "http://127.0.0.1:9000", "chat/completions", "http://127.0.0.1:9000/v1/chat/completions"),
            ("openai", "http://127.0.0.1:9000/v1", "chat/completions", "http://127.0.0.1:9000/v1/chat/completions"),
            ("openai", "http://127.0.0.1:9000/v1/", "v1/responses", "http://127.0.0.1:9000/v1/responses"),
            ("openai", "https://proxy.test/mock", "v1/models", "https://proxy.test/mock/v1/models"),
            ("openai", "https://proxy.test/mock/v1", "models", "https://proxy.test/mock/v1/models"),
            ("groq", "http://h:1", "chat/completions", "http://h:1/openai/v1/chat/completions"),
            ("groq", "http://h:1/openai/v1", "chat/completions", "http://h:1/openai/v1/chat/completions"),
            ("groq", "http://h:1/x/openai", "chat/completions", "http://h:1/x/openai/v1/chat/completions"),
            ("groq", "http://h:1/v1", "chat/completions", "http://h:1/v1/chat/completions"),
            ("openrouter", "http://h:1/api/v1", "chat/completions", "http://h:1/api/v1/chat/completions"),
            ("deepseek", "http://h:1/v1", "chat/completions", "http://h:1/v1/chat/completions"),
            ("deepseek", "http://h:1/v1", "v1/chat/completions", "http://h:1/v1/chat/completions"),
            ("google-ai-studio", "http://h:1/v1beta", "v1beta/models/m:x", "http://h:1/v1beta/models/m:x"),
            ("google-ai-studio", "http://h:1", "v1/models/m:x", "http://h:1/v1/models/m:x"),
            ("anthropic", "http://[::1]:8/base", "v1/messages", "http://[::1]:8/base/v1/messages"),
            (
                "workers-ai", "http://h:1/client/v4", "@cf/m",
                "http://h:1/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/run/@cf/m"
            ),
            (
                "azure-openai", "http://h:1", "res/dep/chat/completions",
                "http://h:1/openai/deployments/dep/chat/completions"
            ),
            ("aws-bedrock", "http://h:1", "bedrock-runtime/us-east-1/model/m/converse", "http://h:1/model/m/converse"),
            (
                "google-vertex-ai", "http://h:1/v1", "v1/projects/p/locations/eu/x",
                "http://h:1/v1/projects/p/locations/eu/x"
            ),
            ("huggingface", "http://h:1/hf-inference/models", "a/b", "http://h:1/hf-inference/models/a/b"),
            ("baseten", "http://h:1", "model/abc", "http://h:1/production/predict"),
        ])
    func baseURL(slug: String, base: String, path: String, expected: String) throws {
        var override = WorkerSettings.ProviderOverride(provider: ProviderID(slug))
        override.baseURL = base
        let registry = try ProviderRegistry.builtIn.applying([override])
        let provider = try #require(registry.provider(segment: slug))
        let target = try provider.target(path: path, query: nil, account: account, workersAIAccount: nil)
        #expect(target.origin.description + target.path == expected)
    }

    @Test("the canonical authority stays the provider's own, for calls that a client has signed")
    func canonicalAuthority() throws {
        var override = WorkerSettings.ProviderOverride(provider: "aws-bedrock")
        override.baseURL = "http://127.0.0.1:1"
        let registry = try ProviderRegistry.builtIn.applying([override])
        let provider = try #require(registry.provider(segment: "bedrock"))
        let target = try provider.target(
            path: "bedrock-runtime/eu-west-1/model/m/converse", query: nil, account: account, workersAIAccount: nil)
        #expect(target.canonicalAuthority == "bedrock-runtime.eu-west-1.amazonaws.com")
        #expect(target.origin.authority == "127.0.0.1:1")
    }

    @Test("a disabled provider is gone, aliases and compat prefix included")
    func disabled() throws {
        var override = WorkerSettings.ProviderOverride(provider: "google-ai-studio")
        override.enabled = false
        let registry = try ProviderRegistry.builtIn.applying([override])
        #expect(registry.provider(segment: "google-ai-studio") == nil)
        #expect(registry.provider(segment: "google") == nil)
        #expect(registry.compatTarget(model: "google/gemini") == nil)
        #expect(registry.provider(segment: "openai") != nil)
    }

    @Test(
        "a bad override names its setting",
        arguments: [
            ("nobody", nil, nil, "providers.nobody: no such provider"),
            ("openai", "ftp://x", nil, "providers.openai.base_url"), ("openai", "https://u@x/", nil, "base_url"),
            ("openai", "https://x?q=1", nil, "base_url"), ("openai", "https://x:0", nil, "base_url"),
            ("openai", "https://", nil, "base_url"), ("openai", "https://x y", nil, "base_url"),
            ("openai", nil, "both", "providers.openai.compat_upstream"),
            ("elevenlabs", nil, "openai", "providers.elevenlabs.compat_upstream"),
        ] as [(String, String?, String?, String)])
    func badOverride(slug: String, base: String?, compat: String?, message: String) {
        var override = WorkerSettings.ProviderOverride(provider: ProviderID(slug))
        override.baseURL = base
        override.compatUpstream = compat
        do {
            _ = try ProviderRegistry.builtIn.applying([override])
            Issue.record("accepted")
        } catch { #expect(error.message?.contains(message) == true) }
    }

    @Test("a custom provider's paths go below its base URL, to public addresses only")
    func custom() throws {
        let provider = try ProviderDefinition.custom(slug: "acme", baseURL: "https://api.acme.test/api/")
        let target = try provider.target(path: "v4/chat", query: "x=1", account: account, workersAIAccount: nil)
        #expect(target.origin.description + target.requestTarget == "https://api.acme.test/api/v4/chat?x=1")
        #expect(target.egress == .publicAddressesOnly)
        #expect(provider.id == "custom-acme")
        #expect(throws: GatewayError.self) {
            try provider.target(path: "../admin", query: nil, account: account, workersAIAccount: nil)
        }
        #expect(throws: GatewayError.self) { try ProviderDefinition.custom(slug: "x", baseURL: "acme.test") }
    }

    @Test(
        "a custom provider's chat endpoint gets a version unless its base ends in one",
        arguments: [
            ("https://a.test", "/v1/chat/completions"), ("https://a.test/v3", "/v3/chat/completions"),
            ("https://a.test/api", "/api/v1/chat/completions"), ("https://a.test/v1beta2", "/v1beta2/chat/completions"),
            ("https://a.test/voice", "/voice/v1/chat/completions"),
        ])
    func customCompat(base: String, path: String) throws {
        let (target, model) = try ProviderDefinition.custom(slug: "a", baseURL: base).compatTarget(model: "m/n")
        #expect(target.path == path)
        #expect(model == "m/n")
    }

    @Test(
        "a stored key is written in the provider's own form",
        arguments: [
            ("openai", "v1/models", ["authorization: Bearer K"]), ("anthropic", "v1/messages", ["x-api-key: K"]),
            ("google-ai-studio", "v1/models", ["x-goog-api-key: K"]),
            ("google-ai-studio", "v1beta/openai/chat/completions", ["authorization: Bearer K"]),
            ("azure-openai", "res/dep/x", ["api-key: K"]),
            ("azure-openai", "res/anthropic/v1/messages", ["x-api-key: K"]),
            ("aws-bedrock", "bedrock-runtime/us-east-1/x", ["authorization: Bearer K"]),
            ("aws-bedrock", "bedrock-mantle/us-east-1/x", ["x-api-key: K"]),
            ("cohere", "v2/chat", ["authorization: Bearer K"]),
            ("elevenlabs", "v1/x", ["xi-api-key: K"]), ("cartesia", "tts/bytes", ["x-api-key: K"]),
            ("deepgram", "v1/listen", ["authorization: Token K"]), ("fal", "x", ["authorization: Key K"]),
            ("ideogram", "generate", ["api-key: K"]), ("baseten", "chat/completions", ["authorization: Bearer K"]),
            ("baseten", "model/abc", ["authorization: Api-Key K"]), ("parallel", "v1beta/search", ["x-api-key: K"]),
            ("parallel", "chat/completions", ["x-api-key: K", "authorization: Bearer K"]),
        ])
    func inject(slug: String, path: String, expected: [String]) throws {
        let provider = try #require(ProviderRegistry.builtIn.provider(segment: slug))
        let target = try provider.target(path: path, query: nil, account: account, workersAIAccount: nil)
        #expect(provider.inject("K", for: target).map { "\($0.name): \($0.value)" } == expected)
    }

    @Test("an Anthropic login token is a bearer, and a key with control characters is never written")
    func injectExceptions() throws {
        let anthropic = try #require(ProviderRegistry.builtIn.provider(segment: "anthropic"))
        let form = anthropic.credential.inject("sk-ant-oat01-x")
        #expect(form.map(\.value) == ["Bearer sk-ant-oat01-x"])
        #expect(anthropic.credential.inject("a\r\nx: y").isEmpty)
        #expect(anthropic.credential.inject("").isEmpty)
    }

    @Test("every form that is written is also accepted, so a client's key of that form can be stripped")
    func acceptedCoversInjected() {
        for provider in ProviderRegistry.builtIn.all {
            let accepted = provider.credential.acceptedHeaders.map(\.description)
            for header in provider.credential.inject("K") { #expect(accepted.contains(header.name.description)) }
            #expect(accepted.allSatisfy { $0 == $0.lowercased() })
        }
    }

    @Test(
        "the scheme word is taken off a credential, and an empty one is absent",
        arguments: [
            ("Bearer k", "k"), ("bearer  k ", "k"), ("Token k", "k"), ("Key k", "k"), ("Api-Key k", "k"), ("k", "k"),
            ("Bearer", nil), ("Bearer ", nil), ("", nil), ("  ", nil), ("Keynote", "Keynote"), ("key-1", "key-1"),
            ("AWS4-HMAC-SHA256 Credential=x", "AWS4-HMAC-SHA256 Credential=x"),
        ] as [(String, String?)])
    func bareCredential(value: String, expected: String?) {
        let rule = ProviderRegistry.builtIn.provider(segment: "openai")!.credential
        #expect(rule.bareCredential(value, header: "authorization") == expected)
    }
}
