import GatewayCore
import NIOCore
import Providers
import Testing
import WireFormats

@Suite struct ModelListTests {
    private static let now = Instant(milliseconds: 1_795_521_600_000)

    private func list(_ registry: ProviderRegistry = .builtIn, _ rows: [String]? = nil) throws -> [String: String] {
        let catalog: PriceCatalog
        if let rows {
            let text = "{\n\"schema\":1,\n\"models\":[\n" + rows.joined(separator: ",\n") + "\n]\n}"
            catalog = try PriceCatalog(bytes: Array(text.utf8))
        } else {
            catalog = try PriceCatalog()
        }
        var found: [String: String] = [:]
        ModelList(registry, catalog, at: Self.now).json.withUnsafeReadableBytes { bytes in
            #expect(JSONScan.validate(bytes))
            #expect(JSONView(bytes).member("object")?.string == "list")
            JSONView(bytes).member("data")?.forEachElement { model in
                let id = model.member("id")?.string ?? ""
                #expect(found[id] == nil, "twice: \(id)")
                found[id] = String(decoding: model.bytes, as: UTF8.self)
            }
        }
        return found
    }

    @Test("every listed id leads to a provider of the compat endpoint")
    func callable() throws {
        let models = try list()
        #expect(models.count > 500)
        for id in models.keys {
            let target = try #require(ProviderRegistry.builtIn.compatTarget(model: id), "\(id)")
            #expect(!target.model.isEmpty)
        }
    }

    @Test("ids have the prefixes that clients write, costs are dollars per token to the last digit")
    func entries() throws {
        let models = try list()
        #expect(
            models["openai/gpt-4o-mini"]?.hasSuffix(
                #""owned_by":"openai","cost_in":0.00000015,"cost_out":0.0000006}"#) == true)
        #expect(models["openai/gpt-5.6"] != nil, "an alias")
        #expect(models["perplexity/sonar-pro"] != nil && models["perplexity-ai/sonar-pro"] == nil)
        #expect(models["google-vertex-ai/google/text-embedding-005"] != nil)
        #expect(models["openai/text-embedding-3-small"]?.contains(#""cost_out":null"#) == true)
        #expect(models.keys.contains { $0.hasPrefix("azure-openai/") } == false)
        #expect(models.keys.contains { $0.hasPrefix("elevenlabs/") } == false)
    }

    @Test("retired models, other kinds of models and disabled providers are not listed")
    func leftOut() throws {
        let rows = [
            #"{"provider":"openai","model":"old","in":1,"until":"2026-11-01"}"#,
            #"{"provider":"openai","model":"new","in":1,"until":"2027-11-01","since":"2026-01-02"}"#,
            #"{"provider":"openai","model":"painter","mode":"image_generation","per_image":1}"#,
            #"{"provider":"openai","model":"free","in":0,"out":1000}"#,
            #"{"provider":"groq","model":"x","in":1}"#, #"{"provider":"nobody","model":"x","in":1}"#,
        ]
        var disabled = WorkerSettings.ProviderOverride(provider: "groq")
        disabled.enabled = false
        let registry = try ProviderRegistry.builtIn.applying([disabled])
        let models = try list(registry, rows)
        #expect(models.keys.sorted() == ["openai/free", "openai/new"])
        #expect(models["openai/new"]?.contains(#""created":1767312000,"created_at":1767312000"#) == true)
        #expect(models["openai/free"]?.hasSuffix(#""cost_in":0,"cost_out":0.001}"#) == true)
    }
}
