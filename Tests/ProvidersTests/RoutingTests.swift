import GatewayCore
import Providers
import Testing

private let account: AccountID = "0123456789abcdef0123456789abcdef"

/// The upstream URL of a gateway suffix `provider/path?query`.
private func url(
    _ suffix: String, _ registry: ProviderRegistry = .builtIn, removing filter: QueryFilter = QueryFilter(),
    workersAIAccount: String? = nil
) throws -> String {
    let slash = suffix.firstIndex(of: "/")!
    let rest = suffix[suffix.index(after: slash)...]
    let mark = rest.firstIndex(of: "?") ?? rest.endIndex
    let query = mark == rest.endIndex ? nil : String(rest[rest.index(after: mark)...])
    let provider = try #require(registry.provider(segment: String(suffix[..<slash])))
    let target = try provider.target(
        path: String(rest[..<mark]), query: query, account: account, workersAIAccount: workersAIAccount,
        removing: filter)
    return target.origin.description + target.requestTarget
}

@Suite struct RoutingTests {
    @Test(
        "a native path becomes the documented upstream URL",
        arguments: [
            // providers.md §1.2
            ("openai/chat/completions", "https://api.openai.com/v1/chat/completions"),
            ("openai/v1/responses", "https://api.openai.com/v1/responses"),
            ("anthropic/v1/messages", "https://api.anthropic.com/v1/messages"),
            (
                "google-ai-studio/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
                "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
            ),
            ("grok/chat/completions", "https://api.x.ai/v1/chat/completions"),
            ("grok/v1/chat/completions", "https://api.x.ai/v1/chat/completions"),
            ("groq/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
            ("mistral/v1/chat/completions", "https://api.mistral.ai/v1/chat/completions"),
            ("cohere/v1/chat", "https://api.cohere.ai/v1/chat"),
            ("cohere/v2/chat", "https://api.cohere.ai/v2/chat"),
            ("cohere/chat", "https://api.cohere.ai/v1/chat"),
            ("deepseek/chat/completions", "https://api.deepseek.com/chat/completions"),
            ("cerebras/chat/completions", "https://api.cerebras.ai/v1/chat/completions"),
            ("perplexity-ai/chat/completions", "https://api.perplexity.ai/chat/completions"),
            ("perplexity-ai/v1/chat/completions", "https://api.perplexity.ai/v1/chat/completions"),
            ("openrouter/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
            ("openrouter/v1/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
            ("replicate/predictions", "https://api.replicate.com/v1/predictions"),
            ("replicate/v1/predictions", "https://api.replicate.com/v1/predictions"),
            (
                "azure-openai/res/dep/chat/completions?api-version=2024-10-21",
                "https://res.openai.azure.com/openai/deployments/dep/chat/completions?api-version=2024-10-21"
            ),
            (
                "aws-bedrock/bedrock-runtime/us-east-1/model/us.anthropic.claude%3A0/converse",
                "https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude%3A0/converse"
            ),
            (
                "aws-bedrock/bedrock-mantle/us-east-1/anthropic/v1/messages",
                "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages"
            ),
            (
                "google-vertex-ai/v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent",
                "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent"
            ),
            (
                "workers-ai/@cf/meta/llama-3.1-8b-instruct",
                "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/run/@cf/meta/llama-3.1-8b-instruct"
            ),
            (
                "workers-ai/v1/chat/completions",
                "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/v1/chat/completions"
            ),
            ("huggingface/bigcode/starcoder", "https://api-inference.huggingface.co/models/bigcode/starcoder"),
            (
                "elevenlabs/v1/text-to-speech/voice?output_format=mp3_44100_128",
                "https://api.elevenlabs.io/v1/text-to-speech/voice?output_format=mp3_44100_128"
            ),
            ("cartesia/tts/bytes", "https://api.cartesia.ai/tts/bytes"),
            ("baseten/v1/chat/completions", "https://inference.baseten.co/v1/chat/completions"),
            ("baseten/chat/completions", "https://inference.baseten.co/v1/chat/completions"),
            ("baseten/model/abc123", "https://model-abc123.api.baseten.co/production/predict"),
            ("parallel/v1beta/search", "https://api.parallel.ai/v1beta/search"),
            ("fal/fal-ai/fast-sdxl", "https://fal.run/fal-ai/fast-sdxl"),
            ("ideogram/v1/ideogram-v3/generate", "https://api.ideogram.ai/v1/ideogram-v3/generate"),
            // data-plane §11.2
            ("openai/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
            ("openai/embeddings", "https://api.openai.com/v1/embeddings"),
            ("openai/images/generations", "https://api.openai.com/v1/images/generations"),
            ("openai/audio/speech", "https://api.openai.com/v1/audio/speech"),
            ("grok/v1/messages", "https://api.x.ai/v1/messages"),
            ("groq/openai/v1/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
            ("groq/v1/chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
            ("cerebras/v1/chat/completions", "https://api.cerebras.ai/v1/chat/completions"),
            ("openrouter/api/v1/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
            ("replicate/models/o/m/predictions", "https://api.replicate.com/v1/models/o/m/predictions"),
            ("deepseek/v1/chat/completions", "https://api.deepseek.com/v1/chat/completions"),
            ("deepseek/beta/completions", "https://api.deepseek.com/beta/completions"),
            ("deepseek/anthropic/v1/messages", "https://api.deepseek.com/anthropic/v1/messages"),
            ("mistral/chat/completions", "https://api.mistral.ai/v1/chat/completions"),
            ("cohere/v1/v1/chat", "https://api.cohere.ai/v1/chat"),
            ("anthropic/messages", "https://api.anthropic.com/v1/messages"),
            (
                "google-ai-studio/v1/models/m:generateContent",
                "https://generativelanguage.googleapis.com/v1/models/m:generateContent"
            ),
            (
                "google-ai-studio/v1beta/openai/chat/completions",
                "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions"
            ),
            (
                "google-ai-studio/models/m:generateContent",
                "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent"
            ),
            ("cartesia/v1/tts/sse", "https://api.cartesia.ai/tts/sse"),
            ("parallel/v1/tasks/runs", "https://api.parallel.ai/v1/tasks/runs"),
            ("parallel/chat/completions", "https://api.parallel.ai/chat/completions"),
            ("huggingface/models/org/model", "https://api-inference.huggingface.co/models/org/model"),
            ("fireworks/chat/completions", "https://api.fireworks.ai/inference/v1/chat/completions"),
            ("fireworks/inference/v1/chat/completions", "https://api.fireworks.ai/inference/v1/chat/completions"),
            ("deepgram/v1/listen?model=nova-3", "https://api.deepgram.com/v1/listen?model=nova-3"),
            // §1.4 and §11.3
            ("openai/v1/v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
            (
                "workers-ai/run/@hf/org/m",
                "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/run/@hf/org/m"
            ),
            (
                "azure/res/openai/deployments/dep/embeddings",
                "https://res.openai.azure.com/openai/deployments/dep/embeddings"
            ),
            ("azure-openai/res/openai/v1/responses", "https://res.openai.azure.com/openai/v1/responses"),
            ("azure/res/anthropic/v1/messages", "https://res.services.ai.azure.com/anthropic/v1/messages"),
            (
                "google-vertex-ai/v1/projects/p/locations/global/endpoints/openapi/chat/completions",
                "https://aiplatform.googleapis.com/v1/projects/p/locations/global/endpoints/openapi/chat/completions"
            ),
            (
                "vertex/v1/projects/p/locations/eu/publishers/google/models/m:x",
                "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/google/models/m:x"
            ),
            (
                "google-vertex-ai/v1beta1/publishers/google/models/m:generateContent",
                "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/m:generateContent"
            ),
            (
                "baseten/model/abc/environments/staging/predict",
                "https://model-abc.api.baseten.co/environments/staging/predict"
            ),
            // Percent-encoding is kept byte for byte; slashes collapse at the join only.
            ("openai//chat/completions", "https://api.openai.com/v1/chat/completions"),
            ("openai/files/a%2Fb//c@d:e", "https://api.openai.com/v1/files/a%2Fb//c@d:e"),
        ] as [(String, String)])
    func nativeURL(suffix: String, expected: String) throws {
        #expect(try url(suffix) == expected)
    }

    @Test(
        "trap: Perplexity's paths with a version have another one to try, those of others have not",
        arguments: [
            ("perplexity-ai", "v1/chat/completions", nil, "/chat/completions?q"),
            ("perplexity-ai", "v1/v1/chat/completions", nil, "/chat/completions?q"),
            ("perplexity-ai", "v1/chat/completions", "http://h:1/p", "/p/chat/completions?q"),
            // The base has the version itself.
            ("perplexity-ai", "v1/chat/completions", "http://h:1/v1", nil),
            ("perplexity-ai", "chat/completions", nil, nil), ("perplexity-ai", "v1x/chat", nil, nil),
            ("openai", "v1/chat/completions", nil, nil), ("deepseek", "v1/chat/completions", nil, nil),
        ] as [(ProviderID, String, String?, String?)])
    func otherPath(id: ProviderID, path: String, base: String?, expected: String?) throws {
        var override = WorkerSettings.ProviderOverride(provider: id)
        override.baseURL = base
        let registry = try ProviderRegistry.builtIn.applying([override])
        let provider = try #require(registry.provider(segment: id.rawValue))
        let target = try provider.target(path: path, query: "q", account: account, workersAIAccount: nil)
        #expect(target.otherRequestTarget == expected)
    }

    @Test("the operator's Cloudflare account replaces the gateway's in Workers AI URLs")
    func workersAccount() throws {
        #expect(
            try url("workers-ai/v1/embeddings", workersAIAccount: "abc")
                == "https://api.cloudflare.com/client/v4/accounts/abc/ai/v1/embeddings")
    }

    @Test(
        "a hostile path is refused, or stays on the provider's host",
        arguments: [
            "openai/v1/chat\\evil", "openai/v1/a b", "openai/v1/a\r\nHost: evil", "openai/v1/a\u{0}", "openai/a#b",
            "azure-openai/evil.com%2F/dep/x", "azure-openai/@evil/dep/x", "azure-openai/-res/dep/x",
            "azure-openai/res/d@p/x", "azure-openai/res", "azure-openai/res/openai/deployments/..%2f/x",
            "aws-bedrock/bedrock-runtime/evil.com/x", "aws-bedrock/bedrock-runtime/us-east-1.evil.com/x",
            "aws-bedrock/bedrock-runtime/us-east-11/x", "aws-bedrock/s3/us-east-1/x", "aws-bedrock/bedrock-runtime",
            "google-vertex-ai/v1/projects/p/locations/evil.com/x", "google-vertex-ai/v1/projects/p/locations/a-b/x",
            "google-vertex-ai/v1/projects/p/locations", "google-vertex-ai/v2/x", "baseten/model/a.evil.com/x",
            "baseten/model/ABC", "baseten/model/%61", "workers-ai/../../../../user", "workers-ai/run/%2e%2e/x",
            "workers-ai/v1/%2E%2e%2fuser", "groq/../../admin", "fireworks/..", "huggingface/../api/whoami",
        ])
    func refused(suffix: String) {
        do {
            _ = try url(suffix)
            Issue.record("\(suffix) was accepted")
        } catch let error as GatewayError {
            #expect(error.kind == .invalidProvider)
            #expect(error.message?.isEmpty == false)
        } catch {
            Issue.record(error)
        }
    }

    @Test(
        "parts of a path that look like an authority stay path",
        arguments: [
            ("openai///evil.com/x", "https://api.openai.com/v1/evil.com/x"),
            ("openai/@evil.com/x", "https://api.openai.com/v1/@evil.com/x"),
            ("fal/evil.com:80/x", "https://fal.run/evil.com:80/x"),
            ("deepseek/https://evil.com", "https://api.deepseek.com/https://evil.com"),
        ])
    func staysOnHost(suffix: String, expected: String) throws {
        #expect(try url(suffix) == expected)
    }

    @Test("for any printable path the host is the provider's own")
    func anyPath() throws {
        var state: UInt64 = 11
        func random(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        let alphabet = Array("/.:@%2f-aZ0v1\\?# ;[]")
        for provider in ProviderRegistry.builtIn.all {
            let allowed = provider.root.origin.host.split(separator: ".").suffix(2).joined(separator: ".")
            for _ in 0..<300 {
                let path = String((0..<random(24)).map { _ in alphabet[random(alphabet.count)] })
                guard let target = try? provider.target(path: path, query: nil, account: account, workersAIAccount: nil)
                else { continue }
                #expect(target.path.hasPrefix("/"))
                #expect(target.origin.host.hasSuffix(allowed) || target.origin.host.hasSuffix("azure.com"))
                #expect(target.origin.port == provider.root.origin.port)
            }
        }
    }

    @Test(
        "a client of fal may name the whole address of a call, at fal's hosts only",
        arguments: [
            ("https://queue.fal.run/fal-ai/fast-sdxl", "https://queue.fal.run/fal-ai/fast-sdxl"),
            ("HTTPS://FAL.RUN:443/a/b/?x=1&cf-aig-x=2", "https://fal.run/a/b/?x=1"),
            ("https://fal.run", "https://fal.run/"), ("https://fal.run?logs=1", "https://fal.run/?logs=1"),
            ("https://rest.alpha.fal.ai/storage", "https://rest.alpha.fal.ai/storage"),
            ("https://fal.run:8443/a", nil), ("http://fal.run/a", nil), ("https://evilfal.run/a", nil),
            ("https://fal.run.evil.test/a", nil), ("https://fal.run@evil.test/a", nil), ("https://u@fal.run/a", nil),
            ("https://fal.run/../a", nil), ("https://fal.run/%2e%2e/a", nil), ("https://fal.run/a#b", nil),
            ("https://fal.run\\.evil.test/a", nil), ("https:///a", nil), ("", nil), ("fal.run/a", nil),
        ] as [(String, String?)])
    func falTarget(named: String, expected: String?) throws {
        let provider = try #require(ProviderRegistry.builtIn.provider(segment: "fal"))
        let target = try? provider.target(named: named, removing: QueryFilter(prefixes: ["cf-aig-"]))
        #expect(target.map { $0.origin.description + $0.requestTarget } == expected)
    }

    @Test("providers without such a field take no address")
    func noTarget() throws {
        let provider = try #require(ProviderRegistry.builtIn.provider(segment: "openai"))
        #expect(throws: GatewayError.self) {
            try provider.target(named: "https://fal.run/a", removing: QueryFilter())
        }
    }

    @Test("filtered query keys are removed by name or prefix, in any case and encoding, the rest is untouched")
    func query() throws {
        let filter = QueryFilter(keys: ["key"], prefixes: ["cf-aig-"])
        #expect(filter.apply("alt=sse&key=K&a=%20b") == "alt=sse&a=%20b")
        #expect(filter.apply("KEY=K") == nil)
        #expect(filter.apply("%6Bey=K&x") == "x")
        #expect(filter.apply("CF-AIG-Skip-Cache=1&monkey=2") == "monkey=2")
        #expect(filter.apply(nil) == nil)
        #expect(filter.apply("") == nil)
        #expect(
            try url("google-ai-studio/v1/models?key=K&pageSize=5", removing: filter)
                == "https://generativelanguage.googleapis.com/v1/models?pageSize=5")
    }

    @Test(
        "the model is read from paths that name it",
        arguments: [
            ("google-ai-studio", "v1beta/models/gemini-2.5-flash:generateContent", "gemini-2.5-flash"),
            ("google-vertex-ai", "v1/projects/p/locations/l/publishers/google/models/m:x", "m"),
            (
                "aws-bedrock", "bedrock-runtime/us-east-1/model/anthropic.claude-v1%3A0/converse",
                "anthropic.claude-v1:0"
            ),
            ("workers-ai", "@cf/meta/llama", "@cf/meta/llama"),
            ("workers-ai", "run/%40cf/meta/llama", "@cf/meta/llama"),
            ("azure-openai", "res/dep/chat/completions", "dep"),
            ("azure-openai", "res/openai/deployments/dep/chat/completions", "dep"),
            ("huggingface", "models/org/name", "org/name"), ("replicate", "v1/models/o/m/predictions", "o/m"),
            ("fal", "fal-ai/fast-sdxl", "fal-ai/fast-sdxl"), ("ideogram", "v1/ideogram-v3/generate", "ideogram-v3"),
            ("openai", "v1/chat/completions", nil), ("workers-ai", "v1/chat/completions", nil),
            ("replicate", "predictions", nil),
        ] as [(String, String, String?)])
    func modelInPath(slug: String, path: String, model: String?) throws {
        let provider = try #require(ProviderRegistry.builtIn.provider(segment: slug))
        #expect(provider.modelInPath(path) == model)
    }
}
