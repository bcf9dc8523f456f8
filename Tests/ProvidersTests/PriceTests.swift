import GatewayCore
import Policy
import Providers
import Testing

private let tuesday3 = Instant(milliseconds: 1_795_489_200_000)
private let tuesday12 = Instant(milliseconds: 1_795_521_600_000)

private func provider(_ slug: String) -> ProviderDefinition { ProviderRegistry.builtIn.provider(segment: slug)! }

@Suite struct PriceTests {
    let catalog: PriceCatalog

    init() throws { catalog = try PriceCatalog() }

    private func row(_ slug: String, _ model: String) -> PriceRow? {
        catalog.row(for: provider(slug), model: model, patterns: PricePatterns())
    }

    private func cost(_ slug: String, _ model: String, at: Instant = tuesday12, _ fill: (inout Usage) -> Void) throws
        -> String?
    {
        var usage = Usage()
        fill(&usage)
        return Cost.price(usage, row: try #require(row(slug, model)), at: at)?.decimalString
    }

    @Test("the worked examples of the specification come out to the last digit")
    func workedExamples() throws {
        #expect(
            try cost("openai", "gpt-4o-mini") {
                $0.input = 1000
                $0.cached = 200
                $0.output = 500
            } == "0.000435")
        #expect(
            try cost("openai", "gpt-5.6-sol") {
                $0.input = 1000
                $0.cached = 200
                $0.cacheWrite5m = 100
                $0.output = 50
            } == "0.00438")
        #expect(try cost("openai", "text-embedding-3-small") { $0.input = 1000 } == "0.00002")
        #expect(
            try cost("anthropic", "claude-sonnet-4-6") {
                $0.input = 10_000
                $0.cached = 2000
                $0.cacheWrite5m = 3000
                $0.cacheWrite1h = 4000
                $0.output = 500
            } == "0.04635")
        #expect(
            try cost("anthropic", "claude-haiku-5-5") {
                $0.input = 120_000
                $0.cached = 90_000
                $0.cacheWrite5m = 10_000
                $0.output = 1000
            } == "0.02325")
        #expect(
            try cost("google-ai-studio", "gemini-2.5-pro") {
                $0.input = 250_000
                $0.cached = 50_000
                $0.output = 3000
                $0.reasoning = 2000
            } == "0.5575")
        #expect(
            try cost("grok", "grok-4.3") {
                $0.input = 10_120
                $0.cached = 128
                $0.output = 1499 + 2809
                $0.reasoning = 2809
            } == "0.0232856")
        #expect(
            try cost("aws-bedrock", "us.anthropic.claude-opus-5-5") {
                $0.input = 1000
                $0.output = 100
            } == "0.0066")
        for (instant, expected) in [(tuesday3, "0.0012056"), (tuesday12, "0.0006028")] {
            #expect(
                try cost("deepseek", "deepseek-v4-pro", at: instant) {
                    $0.input = 1000
                    $0.cached = 400
                    $0.output = 100
                } == expected)
        }
        #expect(
            try cost("perplexity-ai", "sonar-pro") {
                $0.input = 100
                $0.output = 200
                $0.requests = 1
                $0.searchContext = "low"
            } == "0.0093")
        #expect(try cost("elevenlabs", "eleven_flash_v2_5") { $0.characters = 1000 } == "0.04")
        #expect(try cost("deepgram", "nova-3") { $0.milliseconds = 60_000 } == "0.0043002")
        #expect(
            try cost("workers-ai", "@cf/meta/llama-3.1-8b-instruct") {
                $0.input = 1000
                $0.output = 1000
            } == "0.001109")
        #expect(
            try cost("sandbox", "echo") {
                $0.input = 1_000_000
                $0.output = 1_000_000
            } == "3")
    }

    @Test("every row of the built-in list can be read and found again by its own name")
    func wholeCatalogue() {
        var count = 0
        catalog.forEachRow { row in
            count += 1
            guard let provider = ProviderRegistry.builtIn.provider(segment: row.provider.rawValue) else {
                Issue.record("no provider \(row.provider)")
                return
            }
            guard provider.prices.geographies.isEmpty else { return }
            #expect(
                catalog.row(for: provider, model: row.model, patterns: PricePatterns())?.model == row.model,
                "\(row.provider) \(row.model)")
        }
        #expect(count == catalog.count)
        #expect(count == 1682)
    }

    @Test(
        "a model is found by exact name, alias, dated suffix, pattern and resource path",
        arguments: [
            ("openai", "gpt-4o-mini", "gpt-4o-mini"), ("openai", "gpt-5.6", "gpt-5.6-sol"),
            ("openai", "gpt-5.6-sol-2026-08-21", "gpt-5.6-sol"), ("openai", " gpt-4o-mini ", "gpt-4o-mini"),
            ("anthropic", "claude-sonnet-4-6-20260313", "claude-sonnet-4-6"),
            ("anthropic", "claude-haiku-5-5@20260801", "claude-haiku-5-5"),
            ("google-ai-studio", "models/gemini-2.5-pro", "gemini-2.5-pro"),
            ("google-ai-studio", "gemini-2.5-pro-preview-05-06", "gemini-2.5-pro"),
            (
                "google-vertex-ai", "projects/p/locations/l/publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"
            ),
            ("google-vertex-ai", "google/gemini-2.5-pro", "gemini-2.5-pro"),
            ("google-vertex-ai", "claude-sonnet-4-6@default", "claude-sonnet-4-6"),
            ("google-vertex-ai", "llama-3.3-70b-instruct-maas", "meta/llama-3.3-70b-instruct-maas"),
            ("aws-bedrock", "anthropic.claude-opus-5-5", "anthropic.claude-opus-5-5"),
            (
                "aws-bedrock", "arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-opus-5-5",
                "anthropic.claude-opus-5-5"
            ),
            ("sandbox", "status-500", "echo"),
        ])
    func lookup(slug: String, model: String, found: String) {
        #expect(row(slug, model)?.model == found)
    }

    @Test("the geography of an inference profile is remembered for its factor")
    func geography() {
        #expect(row("aws-bedrock", "us-gov.anthropic.claude-opus-5-5")?.geography == "us-gov")
        #expect(row("aws-bedrock", "anthropic.claude-opus-5-5")?.geography == nil)
    }

    @Test("a model that exists under some prefixes only has no price under others")
    func geographyOnly() {
        #expect(row("aws-bedrock", "us.anthropic.claude-mythos-5") != nil)
        #expect(row("aws-bedrock", "eu.anthropic.claude-mythos-5") == nil)
        #expect(row("aws-bedrock", "anthropic.claude-mythos-5") == nil)
    }

    @Test("Azure falls back to OpenAI's price, nobody else to anybody's")
    func fallback() throws {
        #expect(row("azure-openai", "gpt-4o-mini")?.provider == "azure-openai")
        #expect(row("azure-openai", "chatgpt-4o-latest")?.provider == "openai")
        #expect(row("groq", "gpt-4o-mini") == nil)
        let custom = try ProviderDefinition.custom(slug: "a", baseURL: "https://a.test")
        #expect(catalog.row(for: custom, model: "gpt-4o-mini", patterns: PricePatterns()) == nil)
    }

    @Test("unknown, empty and oversized names have no price", arguments: ["no-such-model", "", " ", "models/"])
    func unknown(model: String) {
        #expect(row("openai", model) == nil)
        #expect(row("openai", String(repeating: "gpt-4o", count: 100_000)) == nil)
    }

    @Test("a row with look-ahead in its pattern does not take the speech variants")
    func lookahead() {
        #expect(row("google-ai-studio", "gemini-3.8-flash-exp-1")?.model == "gemini-3.8-flash")
        #expect(row("google-ai-studio", "gemini-3.8-flash-exp-TTS")?.model != "gemini-3.8-flash")
    }

    @Test("the memo answers as the catalogue does, misses included")
    func book() {
        let book = PriceBook(catalog)
        for _ in 0..<2 {
            #expect(book.row(for: provider("openai"), model: "gpt-4o-mini")?.rates[.input]?.units == 150_000_000_000)
            #expect(book.row(for: provider("openai"), model: "none") == nil)
        }
        for index in 0..<600 { _ = book.row(for: provider("deepgram"), model: "m\(index)") }
        #expect(book.row(for: provider("openai"), model: "gpt-4o-mini") != nil)
    }

    @Test("a file of the same schema replaces the list")
    func replacement() throws {
        let text = """
            {
            "schema":1,
            "models":[
            {"provider":"openai","model":"m","alias":["n"],"in":1,"out":2e0,"batch":{"in":0.5},"geo_only":"us"},
            {"provider":"openai","model":"o","match":"^o-","per_request":1}
            ]
            }
            """
        let catalog = try PriceCatalog(bytes: Array(text.utf8))
        let found = try #require(catalog.row(for: provider("openai"), model: "n", patterns: PricePatterns()))
        #expect(found.rates[.output]?.units == 2_000_000_000_000)
        #expect(catalog.row(for: provider("openai"), model: "o-1", patterns: PricePatterns())?.model == "o")
    }

    @Test(
        "a fault in a price file is named by its line",
        arguments: [
            ("", PriceCatalogError.unknownSchema),
            ("{\n\"schema\":2,\n\"models\":[\n]\n}", .unknownSchema),
            ("{\n\"schema\":1,\n\"extends\":\"theirs\",\n\"models\":[\n]\n}", .unknownBase),
            ("{\n\"schema\":1,\n\"models\":[\n{\"provider\":\"openai\"},\n]\n}", .badRow(line: 4)),
            (
                "{\n\"schema\":1,\n\"models\":[\n{\"provider\":\"openai\",\"model\":\"m\",\"in\":-1}\n]\n}",
                .badRow(line: 4)
            ),
            (
                "{\n\"schema\":1,\n\"models\":[\n{\"provider\":\"openai\",\"model\":\"m\",\"in\":\"1\"}\n]\n}",
                .badRow(line: 4)
            ),
            (
                "{\n\"schema\":1,\n\"models\":[\n{\"provider\":\"openai\",\"model\":\"m\",\"match\":\"(\"}\n]\n}",
                .badRow(line: 4)
            ),
            (
                "{\n\"schema\":1,\n\"models\":[\n{\"provider\":\"a\",\"model\":\"m\",\"off_peak\":{\"in\":1,\"windows\":"
                    + "[{\"hours_utc\":[\"25:00-26:00\"],\"weekdays\":[1]}]}}\n]\n}", .badRow(line: 4)
            ),
            ("{\n\"schema\":1,\n\"models\":[\n{\"provider\":\"openai\",\"model\":\"m\"},", .unexpectedEnd),
            (
                "{\n\"schema\":1,\n\"models\":[\n{\"provider\":\"openai\",\"model\":\"m\"},\nnonsense\n]\n}",
                .badRow(line: 5)
            ),
        ])
    func fault(text: String, expected: PriceCatalogError) {
        #expect(throws: expected) { try PriceCatalog(bytes: Array(text.utf8)) }
    }

    private func list(_ rows: String..., extending: Bool = false) throws -> PriceCatalog {
        let head = extending ? "\"extends\":\"built-in\",\n" : ""
        let text = "{\n\"schema\":1,\n\(head)\"models\":[\n" + rows.joined(separator: ",\n") + "\n]\n}\n"
        return try PriceCatalog(bytes: Array(text.utf8))
    }

    @Test("a list that extends the built-in one is asked first, and by its own name for each pattern")
    func extending() throws {
        let own = try list(
            #"{"provider":"openai","model":"gpt-4o-mini","in":9}"#,
            #"{"provider":"openai","model":"house","match":"^house-","in":7}"#, extending: true)
        let patterns = PricePatterns()
        func found(_ model: String) -> PicoDecimal? {
            own.row(for: provider("openai"), model: model, patterns: patterns)?.rates[.input]
        }
        for _ in 0..<2 {
            #expect(found("gpt-4o-mini")?.units == 9_000_000_000_000)
            #expect(found("house-2")?.units == 7_000_000_000_000)
            #expect(found("gpt-5.6-sol-2026-08-21") == row("openai", "gpt-5.6-sol")?.rates[.input])
            #expect(
                own.row(for: provider("google-ai-studio"), model: "gemini-3.8-flash-exp-1", patterns: patterns)?.model
                    == "gemini-3.8-flash")
        }
        #expect(own.row(for: provider("azure-openai"), model: "house-2", patterns: patterns)?.model == "house")
        var names: [String] = []
        own.forEachRow { names.append("\($0.provider)/\($0.model)") }
        #expect(names.count == catalog.count + 1 && Set(names).count == names.count)
        let alone = try list(#"{"provider":"openai","model":"gpt-4o-mini","in":9}"#)
        #expect(alone.row(for: provider("openai"), model: "gpt-5.6-sol", patterns: PricePatterns()) == nil)
    }

    @Test("trap: a rate in the wrong unit is no price, and neither is it a reason to refuse the list")
    func wrongUnit() throws {
        let own = try list(
            #"{"provider":"openai","model":"m","in":100000,"out":2,"tiers":[{"over":10,"in":5000,"out":3}],"batch":{"in":4000},"out_audio":2000}"#
        )
        #expect(own.strangeRates == 3)
        let found = try #require(own.row(for: provider("openai"), model: "m", patterns: PricePatterns()))
        #expect(found.rates[.input] == nil && found.rates[.output] != nil && found.rates[.outputAudio] != nil)
        var used = Usage()
        used.input = 5
        used.output = 5
        #expect(Cost.price(used, row: found, at: tuesday12) == nil)
        used.input = nil
        #expect(Cost.price(used, row: found, at: tuesday12)?.picoDollars == 10_000_000)
        #expect(catalog.strangeRates == 0)
    }
}
