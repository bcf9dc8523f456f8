import GatewayCore
import Providers
import TestKit
import Testing

@Suite("Usage of Bedrock's event streams")
struct BedrockUsageTests {
    /// Every reading of the stream, cut at each place, has to be the same.
    private func read(_ path: String, _ bytes: [UInt8]) throws -> UsageReader {
        let provider = try #require(ProviderRegistry.builtIn.provider(segment: "aws-bedrock"))
        let format = provider.usageFormat(path: path)
        func reader(_ pieces: [ArraySlice<UInt8>]) -> UsageReader {
            let reader = UsageReader(format: format, streamed: .eventStream)
            for piece in pieces { piece.withUnsafeBytes { reader.feed($0) } }
            reader.finish()
            return reader
        }
        let whole = reader([bytes[...]])
        for cut in bytes.indices {
            let other = reader([bytes[..<cut], bytes[cut...]])
            #expect(other.usage == whole.usage && other.sawTerminal == whole.sawTerminal, "cut at \(cut)")
            #expect(other.sawErrorEvent == whole.sawErrorEvent && other.model == whole.model, "cut at \(cut)")
        }
        return whole
    }

    private static let converse = "/model/anthropic.claude-x/converse-stream"
    private static let invoke = "/model/anthropic.claude-x/invoke-with-response-stream"
    private static let begin =
        EventFrame.event("messageStart", #"{"role":"assistant","p":"abc"}"#)
        + EventFrame.event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"hi"}}"#)
    private static let stop = EventFrame.event("messageStop", #"{"stopReason":"end_turn"}"#)

    private func chunk(_ json: String) -> [UInt8] {
        EventFrame.event("chunk", #"{"bytes":"\#(base64(json))","p":"abcdefghij"}"#)
    }

    private func base64(_ text: String) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var out = ""
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let group = Array(bytes.prefix(3))
            bytes = bytes.dropFirst(3)
            let bits = group.reduce(0) { $0 << 8 | Int($1) } << (8 * (3 - group.count))
            for place in 0...group.count { out.append(letters[bits >> (18 - 6 * place) & 63]) }
            out += String(repeating: "=", count: 3 - group.count)
        }
        return out
    }

    @Test("Converse counts in its last event, cache reads and writes apart")
    func converse() throws {
        let metadata = EventFrame.event(
            "metadata",
            #"{"usage":{"inputTokens":10,"outputTokens":7,"totalTokens":37,"cacheReadInputTokens":15,"#
                + #""cacheWriteInputTokens":5,"cacheDetails":[{"ttl":"1h","inputTokens":2},{"ttl":"5m","#
                + #""inputTokens":3}]},"metrics":{"latencyMs":1},"serviceTier":{"type":"flex"}}"#)
        let reader = try read(Self.converse, Self.begin + Self.stop + metadata)
        let usage = reader.usage
        #expect(usage.input == 30 && usage.output == 7 && usage.cached == 15)
        #expect(usage.cacheWrite1h == 2 && usage.cacheWrite5m == 3 && usage.serviceTier == "flex")
        #expect(reader.sawTerminal && !reader.sawErrorEvent)
    }

    @Test("Converse is complete with messageStop, its usage unknown without metadata")
    func converseWithoutMetadata() throws {
        let stopped = try read(Self.converse, Self.begin + Self.stop)
        #expect(stopped.sawTerminal && stopped.usage.isEmpty)
        let cut = try read(Self.converse, Self.begin)
        #expect(!cut.sawTerminal && !cut.sawErrorEvent)
    }

    @Test("an exception or an error among the frames is noted")
    func exceptions() throws {
        let failed = try read(
            Self.converse, Self.begin + EventFrame.exception("modelStreamErrorException", #"{"message":"no"}"#))
        #expect(failed.sawErrorEvent && !failed.sawTerminal)
        let error = EventFrame.bytes([(":message-type", "error"), (":error-code", "x")], "")
        #expect(try read(Self.invoke, chunk(#"{"type":"ping"}"#) + error).sawErrorEvent)
    }

    @Test("Invoke's chunks hold the model's own events, which count more than Bedrock's metrics")
    func invokeAnthropic() throws {
        let stream =
            chunk(
                #"{"type":"message_start","message":{"id":"m","model":"claude-x","usage":{"input_tokens":20,"#
                    + #""cache_read_input_tokens":4,"output_tokens":1}}}"#)
            + chunk(#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}"#)
            + chunk(#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}"#)
            + chunk(
                #"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":99,"#
                    + #""outputTokenCount":98,"invocationLatency":5}}"#)
        let reader = try read(Self.invoke, stream)
        #expect(reader.usage.input == 24 && reader.usage.cached == 4 && reader.usage.output == 9)
        #expect(reader.sawTerminal && reader.model == nil)
        #expect(try !read(Self.invoke, Array(stream.prefix(400))).sawTerminal)
    }

    @Test("for other families the metrics of the last chunk count")
    func invokeOther() throws {
        let reader = try read(
            "/model/meta.llama3/invoke-with-response-stream",
            chunk(#"{"generation":"hi \"amazon-bedrock-invocationMetrics\"","stop_reason":null}"#)
                + chunk(
                    #"{"generation":"","stop_reason":"stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":6,"#
                        + #""outputTokenCount":8,"cacheReadInputTokenCount":2,"cacheWriteInputTokenCount":1}}"#))
        #expect(reader.usage.input == 9 && reader.usage.output == 8 && reader.usage.cached == 2)
        #expect(reader.usage.cacheWrite5m == 1 && reader.sawTerminal)
    }

    @Test("what is no event stream leaves everything unknown")
    func garbage() throws {
        for text in ["data: not binary at all\n\n", "{}", ""] {
            let reader = try read(Self.converse, Array(text.utf8))
            #expect(reader.usage.isEmpty && !reader.sawTerminal && !reader.sawErrorEvent)
        }
        for payload in [#"{"bytes":"$$$"}"#, #"{"bytes":7}"#, "[]", ""] {
            let reader = try read(Self.invoke, EventFrame.event("chunk", payload))
            #expect(reader.usage.isEmpty && !reader.sawTerminal)
        }
    }
}
