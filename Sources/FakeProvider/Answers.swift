/// The bytes that go out in one format, made once.
struct Answers {
    static let malformed = Array("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
    /// Size of the JSON answer's body.
    static let bodySize = 607
    static let eventCount = 50

    /// Head and body of the whole answer.
    let whole: [UInt8]
    let streamHead: [UInt8]
    /// Each event in a chunk of its own; the last one carries the last chunk with it.
    let events: [[UInt8]]

    init(_ dialect: Dialect) {
        let body = Self.body(dialect)
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
        events = dialect.events(Self.eventCount).enumerated().map { index, text in
            let event = text + "\n\n"
            let chunk = "\(String(event.utf8.count, radix: 16))\r\n\(event)\r\n"
            return Array((index == Self.eventCount - 1 ? chunk + "0\r\n\r\n" : chunk).utf8)
        }
    }

    private static func body(_ dialect: Dialect) -> String {
        let (start, end) = dialect.wholeParts
        let room = bodySize - start.utf8.count - end.utf8.count
        let words = String(repeating: "an answer of a fixed size ", count: room / 26 + 1)
        return start + words.prefix(room) + end
    }
}
