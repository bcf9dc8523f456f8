import GatewayCore
import Policy
import Providers
import Testing

/// The known traps of usage and cost (providers.md §17.2), one test each.
///
/// `PriceTests` has the one of rates in the wrong unit.
@Suite struct UsageTrapTests {
    let catalog: PriceCatalog

    init() throws { catalog = try PriceCatalog() }

    private func read(_ slug: String, _ path: String, _ text: String, _ kind: StreamKind = .whole) -> UsageReader {
        let format = ProviderRegistry.builtIn.provider(segment: slug)!.usageFormat(path: path)
        let reader = UsageReader(format: format, streamed: kind)
        Array(text.utf8).withUnsafeBytes { reader.feed($0) }
        reader.finish()
        return reader
    }

    private func cost(_ slug: String, _ model: String, _ usage: Usage) -> String? {
        let provider = ProviderRegistry.builtIn.provider(segment: slug)!
        let row = catalog.row(for: provider, model: model, patterns: PricePatterns())
        return Cost.settle(
            usage, served: .provider, custom: nil, row: row, at: Instant(milliseconds: 1_795_521_600_000)
        )?.decimalString
    }

    private func message(_ start: String, _ delta: String) -> String {
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-sonnet-4-6\",\"usage\":\(start)}}\n\n"
            + "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{},\"usage\":\(delta)}\n\n"
            + "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
    }

    @Test("trap: Anthropic's cache tokens stand in two events of a stream and count once")
    func cacheTokensTwice() {
        let counts =
            #"{"input_tokens":10,"cache_read_input_tokens":2000,"cache_creation_input_tokens":300,"output_tokens":"#
        let usage = read("anthropic", "/v1/messages", message(counts + "1}", counts + "50}"), .sse).usage
        #expect(usage.input == 2310 && usage.cached == 2000 && usage.cacheWrite5m == 300 && usage.output == 50)
    }

    @Test("trap: cache tokens that only the last event of a stream reports are not dropped")
    func cacheTokensLate() {
        let usage = read(
            "deepseek", "/anthropic/v1/messages",
            message(
                #"{"input_tokens":10,"output_tokens":0}"#,
                #"{"output_tokens":50,"cache_read_input_tokens":2000,"cache_creation_input_tokens":300}"#), .sse
        ).usage
        #expect(usage.input == 2310 && usage.cached == 2000 && usage.cacheWrite5m == 300 && usage.output == 50)
    }

    @Test("trap: xAI's reasoning is part of the output, whole and streamed")
    func missingReasoning() {
        let counts =
            #"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#
        let whole = read("grok", "/v1/chat/completions", #"{"usage":\#(counts)}"#).usage
        #expect(whole.output == 103 && whole.reasoning == 94)
        let streamed = read(
            "grok", "/v1/chat/completions", "data: {\"choices\":[],\"usage\":\(counts)}\n\ndata: [DONE]\n\n", .sse
        ).usage
        #expect(streamed.output == 103 && streamed.reasoning == 94)
    }

    @Test("trap: ten thousand million ticks are one dollar")
    func ticks() {
        let usage = read("grok", "/v1/chat/completions", #"{"usage":{"cost_in_usd_ticks":10000000000}}"#).usage
        #expect(usage.upstreamCost?.decimalString == "1")
        let one = read("grok", "/v1/responses", #"{"usage":{"cost_in_usd_ticks":1}}"#).usage
        #expect(one.upstreamCost?.decimalString == "0.0000000001")
    }

    @Test("trap: cached tokens are charged once at their own rate, whether the provider's input has them or not")
    func cachedOnce() {
        // 800 plain and 200 cached, reported by OpenAI as 1000 of which 200, by Anthropic as 800 and 200.
        let inside = read(
            "openai", "/v1/chat/completions",
            #"{"usage":{"prompt_tokens":1000,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":200}}}"#
        ).usage
        #expect(cost("openai", "gpt-4o-mini", inside) == "0.000135")
        let apart = read(
            "anthropic", "/v1/messages",
            #"{"usage":{"input_tokens":800,"cache_read_input_tokens":200,"output_tokens":0}}"#
        ).usage
        #expect(apart.input == 1000 && apart.cached == 200)
        // 800 × 3 + 200 × 0.3 dollars per million.
        #expect(cost("anthropic", "claude-sonnet-4-6", apart) == "0.00246")
    }

    @Test("trap: Gemini's thoughts are counted once, whichever way its total is made up")
    func thoughts() {
        let path = "/v1beta/models/gemini-2.5-pro:generateContent"
        func usage(_ total: Int) -> Usage {
            read(
                "google-ai-studio", path,
                #"{"usageMetadata":{"promptTokenCount":100,"candidatesTokenCount":30,"thoughtsTokenCount":5,"totalTokenCount":\#(total)}}"#
            ).usage
        }
        #expect(usage(135).output == 35 && usage(130).output == 30)
        #expect(usage(135).reasoning == 5 && usage(130).reasoning == 5)
    }

    @Test("trap: the rate of a tier holds for the whole request, not for what is above its limit")
    func wholeTier() {
        var usage = Usage()
        usage.output = 0
        usage.input = 200_000
        #expect(cost("google-ai-studio", "gemini-2.5-pro", usage) == "0.25")
        usage.input = 200_001
        #expect(cost("google-ai-studio", "gemini-2.5-pro", usage) == "0.5000025")
    }

    @Test("trap: the model that answered is priced, not the alias that was asked for")
    func servedModel() {
        let reader = read(
            "openai", "/v1/chat/completions",
            #"{"model":"gpt-4o-mini-2024-07-18","usage":{"prompt_tokens":1000,"completion_tokens":0}}"#)
        #expect(reader.model == "gpt-4o-mini-2024-07-18")
        #expect(cost("openai", reader.model!, reader.usage) == "0.00015")
    }

    @Test(
        "trap: usage is read by the format of the answer, whoever serves it",
        arguments: [
            ("anthropic", "/v1/messages"), ("grok", "/v1/messages"), ("deepseek", "/anthropic/v1/messages"),
            ("google-vertex-ai", "/v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict"),
            ("aws-bedrock", "/anthropic/v1/messages"), ("aws-bedrock", "/model/m/invoke"),
            ("azure-openai", "/anthropic/v1/messages"),
        ])
    func byFormat(slug: String, path: String) {
        let usage = read(
            slug, path, #"{"usage":{"input_tokens":3,"cache_read_input_tokens":2,"output_tokens":4}}"#
        ).usage
        #expect(usage.input == 5 && usage.cached == 2 && usage.output == 4)
    }

    @Test("trap: an unknown price is unknown, and so is the price of unknown usage; neither is zero")
    func unknownIsNotZero() {
        var usage = Usage()
        usage.input = 10
        usage.output = 10
        #expect(cost("openai", "a-model-nobody-prices", usage) == nil)
        #expect(cost("openai", "gpt-4o-mini", Usage()) == nil)
        #expect(read("openai", "/v1/chat/completions", #"{"choices":[]}"#).usage.isEmpty)
        #expect(read("openai", "/v1/chat/completions", #"{"usage":null}"#).usage.input == nil)
    }
}
