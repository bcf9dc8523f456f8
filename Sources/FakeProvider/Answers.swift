/// The bytes that go out, made once.
struct Answers {
    /// Size of the JSON answer's body.
    static let bodySize = 607
    static let eventCount = 50

    /// Head and body of the whole answer.
    let whole: [UInt8]
    let streamHead: [UInt8]
    /// Each event in a chunk of its own; the last one is `[DONE]` and carries the last chunk with it.
    let events: [[UInt8]]
    let malformed: [UInt8]

    init() {
        let body = Self.body()
        whole = Array(
            """
            HTTP/1.1 200 OK\r
            Content-Type: application/json\r
            Content-Length: \(body.utf8.count)\r
            x-request-id: req_0123456789abcdef\r
            x-ratelimit-remaining-requests: 9999\r
            \r
            \(body)
            """.utf8
        )
        streamHead = Array(
            """
            HTTP/1.1 200 OK\r
            Content-Type: text/event-stream; charset=utf-8\r
            Cache-Control: no-cache\r
            x-request-id: req_0123456789abcdef\r
            Transfer-Encoding: chunked\r
            \r

            """.utf8
        )
        events = Self.events().enumerated().map { index, data in
            let event = "data: \(data)\n\n"
            let chunk = "\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n"
            return Array((index == Self.eventCount - 1 ? chunk + "0\r\n\r\n" : chunk).utf8)
        }
        malformed = Array("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
    }

    private static func body() -> String {
        let start = """
            {"id":"chatcmpl-0123456789","object":"chat.completion","created":1763834400,"model":"gpt-4o-mini",\
            "choices":[{"index":0,"message":{"role":"assistant","content":"
            """
        let end = """
            "},"logprobs":null,"finish_reason":"stop"}],\
            "usage":{"prompt_tokens":128,"completion_tokens":64,"total_tokens":192,\
            "prompt_tokens_details":{"cached_tokens":0}},"system_fingerprint":"fp_0123456789"}
            """
        let room = bodySize - start.utf8.count - end.utf8.count
        let words = String(repeating: "an answer of a fixed size ", count: room / 26 + 1)
        return start + words.prefix(room) + end
    }

    private static func events() -> [String] {
        let start = """
            {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1763834400,\
            "model":"gpt-4o-mini","choices":[
            """
        func choice(_ delta: String, finish: String = "null") -> String {
            start + "{\"index\":0,\"delta\":\(delta),\"finish_reason\":\(finish)}]}"
        }
        var events = [choice(#"{"role":"assistant","content":""}"#)]
        // The first, the finish, the usage and [DONE] are the other four.
        events += (0..<(eventCount - 4)).map { choice("{\"content\":\"word \($0) \"}") }
        events.append(choice("{}", finish: #""stop""#))
        events.append(start + #"],"usage":{"prompt_tokens":128,"completion_tokens":46,"total_tokens":174}}"#)
        events.append("[DONE]")
        return events
    }
}
