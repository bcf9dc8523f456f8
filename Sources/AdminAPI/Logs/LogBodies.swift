import ControlPlane
import GatewayCore
import PostgresStore

extension LogEntry {
    /// The members that list and detail share (control-plane.md §4.3 · documented and observed).
    private var members: [JSONValue.Member] {
        let input = JSONValue(tokensIn)
        let output = JSONValue(tokensOut)
        let total = JSONValue(totalTokens)
        let usage: JSONValue = [
            "input_tokens": input, "output_tokens": output, "total_tokens": total,
            "output_reasoning_tokens": JSONValue(tokensReasoning), "input_cached_tokens": JSONValue(tokensCached),
        ]
        let timings: JSONValue = [
            "total": JSONValue(durationMicroseconds / 1000),
            "latency": JSONValue(firstByteMicroseconds.map { $0 / 1000 }),
        ]
        return [
            .init("id", .string(id)),
            .init("created_at", .string(Timestamp.text(createdAt))),
            .init("provider", .string(provider)),
            .init("model", .string(model)),
            .init("model_type", JSONValue(modelType)),
            .init("path", .string(path)),
            .init("duration", JSONValue(durationMicroseconds / 1000)),
            .init("request_size", JSONValue(requestSize)),
            .init("response_size", JSONValue(responseSize)),
            .init("request_type", .string(requestType)),
            .init("request_content_type", JSONValue(requestContentType)),
            .init("response_content_type", JSONValue(responseContentType)),
            .init("success", .bool(success)),
            .init("cached", .bool(cached)),
            .init("status_code", JSONValue(status)),
            .init("step", JSONValue(step)),
            .init("tokens_in", input),
            .init("tokens_out", output),
            .init("cost", cost.map { .number($0) } ?? .null),
            .init("custom_cost", .bool(customCost)),
            .init("metadata", JSONValue(metadata)),
            .init("event_id", .string(eventID)),
            .init("feedback", JSONValue(feedback == 0 ? nil : feedback)),
            .init("score", score.map { .number("\($0)") } ?? .null),
            .init("usage_metadata", usage),
            .init("timings", timings),
            .init("user_agent", JSONValue(userAgent)),
            .init("authentication", .bool(authenticated)),
            .init("wholesale", false),
            .init("byok", .bool(keyAlias != nil)),
            .init("byok_alias", JSONValue(keyAlias)),
            .init(
                "dropped_parameters",
                droppedParameters.map { .array($0.split(separator: ",").map { .string(String($0)) }) } ?? .null),
            .init("dlp_action", .null),
            .init("dlp_profiles", .null),
        ]
    }

    /// The object of a list, where bodies are empty.
    var row: JSONValue { .object(members + [.init("request", ""), .init("response", "")]) }

    /// The object of a single row, with the leading parts of its bodies.
    ///
    /// - Parameter heads: nil: not for this reader.
    func detail(_ heads: LogHeads?) -> JSONValue {
        .object(
            members + [
                .init("request_head", heads?.request.map { .string(Self.text($0)) } ?? .null),
                .init("request_head_complete", .bool(heads?.requestIsWhole ?? false)),
                .init("response_head", heads?.response.map { .string(Self.text($0)) } ?? .null),
                .init("response_head_complete", .bool(heads?.responseIsWhole ?? false)),
            ]
        )
    }

    /// A head as text.
    ///
    /// A character that the cut split is left off; bytes that are no text are replaced.
    private static func text(_ bytes: [UInt8]) -> String {
        var count = bytes.count
        for back in 1...3 where back <= bytes.count {
            let byte = bytes[bytes.count - back]
            if byte & 0xc0 == 0x80 { continue }
            let length = byte < 0x80 ? 1 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
            if length > back { count = bytes.count - back }
            break
        }
        return String(decoding: bytes[..<count], as: UTF8.self)
    }
}

extension LogRanges {
    /// The members that `meta_info=true` adds to a list's `result_info`.
    var members: [JSONValue.Member] {
        func pair(_ name: String, _ range: (low: String, high: String)?) -> [JSONValue.Member] {
            [
                .init("min_" + name, range.map { .number($0.low) } ?? .null),
                .init("max_" + name, range.map { .number($0.high) } ?? .null),
            ]
        }
        return pair("cost", cost) + pair("duration", durationMilliseconds) + pair("tokens_in", tokensIn)
            + pair("tokens_out", tokensOut) + pair("total_tokens", totalTokens)
    }
}
