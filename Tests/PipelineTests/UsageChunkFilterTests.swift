import GatewayCore
import NIOCore
import Testing

@testable import Pipeline

@Suite("Usage chunk filter")
struct UsageChunkFilterTests {
    private static let stream = """
        data: {"choices":[{"delta":{"content":"a"}}],"usage":null}

        : keep-alive

        event: x
        data: {"choices":[],"prompt_filter_results":[]}

        data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}

        data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}

        data: [DONE]


        """

    private static let expected = """
        data: {"choices":[{"delta":{"content":"a"}}],"usage":null}

        event: x
        data: {"choices":[],"prompt_filter_results":[]}

        data: {"choices":[{"delta":{}}],"usage":{"prompt_tokens":1}}

        data: [DONE]


        """

    @Test("withholds the one chunk with usage and no choices, wherever the stream is cut")
    func everyCut() throws {
        let bytes = Array(Self.stream.utf8)
        for cut in 0...bytes.count {
            var filter = UsageChunkFilter()
            var out = ByteBuffer()
            try bytes[..<cut].withUnsafeBytes { try filter.feed($0, into: &out) }
            try bytes[cut...].withUnsafeBytes { try filter.feed($0, into: &out) }
            filter.finish(into: &out)
            #expect(String(buffer: out) == Self.expected, "cut at \(cut)")
        }
    }

    @Test("passes on an event that the end of the stream cuts short of its blank line")
    func unfinished() throws {
        var filter = UsageChunkFilter()
        var out = ByteBuffer()
        try Array("data: [DONE]".utf8).withUnsafeBytes { try filter.feed($0, into: &out) }
        filter.finish(into: &out)
        #expect(String(buffer: out) == "data: [DONE]\n\n")
    }
}
