import GatewayCore
import WireFormats

extension UsageFormat {
    /// Anthropic Messages, whole and streamed.
    static let anthropic = UsageFormat(
        members: [.model, Member("usage") { AnthropicUsage.read($0, &$1) }],
        event: { AnthropicUsage.event($0, $1, &$2) })
}

/// Readers of Anthropic's usage object; its input is in three parts that do not overlap.
enum AnthropicUsage {
    static func read(_ view: JSONView, _ tally: inout UsageTally) {
        guard view.kind == .object else { return }
        if let iterations = view.member("iterations"), iterations.firstElement != nil {
            sum(iterations, &tally)
        } else {
            Usage.take(view.count("input_tokens"), &tally.plainInput)
            Usage.take(view.count("cache_read_input_tokens"), &tally.usage.cached)
            Usage.take(view.count("cache_creation_input_tokens"), &tally.writtenInput)
            Usage.take(view.count("output_tokens"), &tally.usage.output)
        }
        lifetimes(view.member("cache_creation"), &tally)
        tally.sumInput()
        Usage.take(view.member("output_tokens_details")?.count("thinking_tokens"), &tally.usage.reasoning)
        Usage.take(view.member("server_tool_use")?.count("web_search_requests"), &tally.usage.webSearches)
        tally.usage.serviceTier = view.member("service_tier")?.string ?? tally.usage.serviceTier
        tally.usage.speed = view.member("speed")?.string ?? tally.usage.speed
        tally.usage.inferenceGeo = view.member("inference_geo")?.string ?? tally.usage.inferenceGeo
    }

    /// Splits the cache writes by lifetime; what no split covers lives for the default five minutes.
    private static func lifetimes(_ split: JSONView?, _ tally: inout UsageTally) {
        let short = split?.count("ephemeral_5m_input_tokens")
        let long = split?.count("ephemeral_1h_input_tokens")
        if let written = tally.writtenInput {
            tally.usage.cacheWrite1h = long ?? tally.usage.cacheWrite1h
            tally.usage.cacheWrite5m = max(0, written - (tally.usage.cacheWrite1h ?? 0))
        } else if short != nil || long != nil {
            tally.usage.cacheWrite5m = short
            tally.usage.cacheWrite1h = long
            tally.writtenInput = (short ?? 0) + (long ?? 0)
        }
    }

    private static func sum(_ iterations: JSONView, _ tally: inout UsageTally) {
        var (plain, read, written, output) = (0, 0, 0, 0)
        iterations.forEachElement { step in
            plain += step.count("input_tokens") ?? 0
            read += step.count("cache_read_input_tokens") ?? 0
            written += step.count("cache_creation_input_tokens") ?? 0
            output += step.count("output_tokens") ?? 0
        }
        tally.plainInput = plain
        tally.usage.cached = read
        tally.writtenInput = written
        tally.usage.output = output
    }

    static func event(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally
    ) {
        // The many events between start and end are told apart by name alone.
        if name.isText("content_block_delta") { return }
        if name.isText("message_start") || (name.isEmpty && data.position(of: "\"message_start\"") != nil) {
            tally.expectsTerminal = true
            guard let message = JSONView(data).member("message") else { return }
            tally.note(model: message.member("model"))
            if let usage = message.member("usage") { read(usage, &tally) }
        } else if name.isText("message_delta") || (name.isEmpty && data.position(of: "\"message_delta\"") != nil) {
            if let usage = JSONView(data).member("usage") { read(usage, &tally) }
        } else if name.isText("message_stop") || (name.isEmpty && data.position(of: "\"message_stop\"") != nil) {
            tally.sawTerminal = true
        } else if name.isText("error") || (name.isEmpty && data.value(ofKey: "\"error\"") != nil) {
            tally.sawErrorEvent = true
        }
    }
}
