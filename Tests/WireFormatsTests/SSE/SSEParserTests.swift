import Testing
import WireFormats

@Suite("Server-sent events")
struct SSEParserTests {
    struct Event: Equatable, CustomStringConvertible {
        var name: String
        var data: String
        var description: String { "[\(name)|\(data)]" }
    }

    /// A stream, and the events in it with those that only its end dispatches.
    static let streams: [(String, [Event])] = [
        ("data: a\n\n", [Event(name: "", data: "a")]),
        ("data:a\n\ndata:  b \n\n", [Event(name: "", data: "a"), Event(name: "", data: " b ")]),
        ("event: ping\ndata: {}\n\ndata: x\n\n", [Event(name: "ping", data: "{}"), Event(name: "", data: "x")]),
        ("data: a\ndata\ndata: b\n\n", [Event(name: "", data: "a\n\nb")]),
        ("data: a\nevent: late\ndata: b\n\n", [Event(name: "late", data: "a\nb")]),
        (": keep-alive\n\n:\ndata: a\n: in between\n\n", [Event(name: "", data: "a")]),
        ("event: no data\n\ndata: a\n\n", [Event(name: "", data: "a")]),
        ("event: a\nevent: b\ndata: c\n\n", [Event(name: "b", data: "c")]),
        ("event: a\nevent\ndata: c\n\n", [Event(name: "", data: "c")]),
        ("data:\n\n", [Event(name: "", data: "")]),
        ("data\n\n\n\n\n", [Event(name: "", data: "")]),
        ("data:\ndata:\n\n", [Event(name: "", data: "\n")]),
        ("id: 1\nretry: 5\ndata: a\nid\n\n", [Event(name: "", data: "a")]),
        ("database: x\ndat: x\nDATA: x\nevents: x\n data: x\ndata : x\n\n", []),
        ("data: a\r\n\r\ndata: b\r\rdata: c\n\r\n", ["a", "b", "c"].map { Event(name: "", data: $0) }),
        ("\r\n\r\ndata: a\r\n\n", [Event(name: "", data: "a")]),
        ("\u{feff}data: a\n\n\u{feff}data: b\n\n", [Event(name: "", data: "a")]),
        (
            "data: {\"t\":\"é😀\"}\n\ndata: [DONE]",
            [Event(name: "", data: "{\"t\":\"é😀\"}"), Event(name: "", data: "[DONE]")]
        ),
        ("event: x\ndata: a\n", [Event(name: "x", data: "a")]),
        ("data: a\n\nevent: x", [Event(name: "", data: "a")]),
        ("data: a\n\r", [Event(name: "", data: "a")]),
        ("", []),
    ]

    @Test("the events of a stream come out the same, cut at any two places and byte by byte", arguments: streams)
    func cutAnywhere(_ stream: String, _ expected: [Event]) throws {
        let bytes = Array(stream.utf8)
        for first in 0...bytes.count {
            for second in first...bytes.count {
                #expect(try read([bytes[..<first], bytes[first..<second], bytes[second...]]) == expected)
            }
        }
        #expect(try read(bytes.indices.map { bytes[$0...$0] }) == expected)
    }

    @Test("an event inside one piece is handed out where it stands")
    func inPlace() throws {
        var parser = SSEParser()
        try withBytes("data: first\n\nevent: e\ndata: second\n\n") { bytes in
            var offsets: [Int] = []
            try parser.feed(bytes) { name, data in
                if let base = bytes.baseAddress, let start = data.baseAddress { offsets.append(start - base) }
            }
            #expect(offsets == [6, 28])
        }
    }

    @Test("an event comes as soon as its blank line has, also when that ends with CR")
    func timing() throws {
        var parser = SSEParser()
        var events = 0
        try withBytes("data: a\r\n\r") { try parser.feed($0) { _, _ in events += 1 } }
        #expect(events == 1)
        try withBytes("\ndata: b\n\n") {
            try parser.feed($0) { _, data in
                events += 1
                #expect(data.elementsEqual("b".utf8))
            }
        }
        #expect(events == 2)
    }

    @Test("an event may be as large as the limit, in one piece or many")
    func limit() throws {
        for size in [90, 200] {
            let bytes = Array(("data: " + String(repeating: "x", count: size) + "\n\n").utf8)
            for step in [1, 7, 1_000] {
                var parser = SSEParser(eventLimit: 100)
                var at = 0
                var failure: SSEError?
                var received = 0
                while at < bytes.count, failure == nil {
                    let end = min(bytes.count, at + step)
                    do throws(SSEError) {
                        try feed(&parser, Array(bytes[at..<end])) { received = $1.count }
                    } catch {
                        failure = error
                    }
                    at = end
                }
                #expect(failure == (size > 100 ? .eventTooLarge : nil))
                #expect(received == (size > 100 ? 0 : size))
            }
        }
    }

    @Test("many small data lines and endless lines that mean nothing are bounded too")
    func limitOfMany() {
        var lines = SSEParser(eventLimit: 1_000)
        #expect(throws: SSEError.eventTooLarge) {
            for _ in 0..<2_000 { try feed(&lines, Array("data:\n".utf8)) { _, _ in } }
        }
        var comment = SSEParser(eventLimit: 1_000)
        #expect(throws: SSEError.eventTooLarge) {
            for _ in 0..<200 { try feed(&comment, Array(":0123456789".utf8)) { _, _ in } }
        }
    }

    @Test("after its end a parser starts anew")
    func reuse() throws {
        var parser = SSEParser()
        try feed(&parser, Array("event: x\ndata: a".utf8)) { _, _ in Issue.record("too early") }
        var events: [Event] = []
        parser.finish { events.append(Self.event($0, $1)) }
        parser.finish { events.append(Self.event($0, $1)) }
        try feed(&parser, Array("\u{feff}data: b\n\n".utf8)) { events.append(Self.event($0, $1)) }
        #expect(events == [Event(name: "x", data: "a"), Event(name: "", data: "b")])
    }

    private func feed(
        _ parser: inout SSEParser, _ bytes: [UInt8],
        _ event: (UnsafeRawBufferPointer, UnsafeRawBufferPointer) -> Void
    ) throws(SSEError) {
        let failure: SSEError? = withBytes(bytes) { piece in
            do throws(SSEError) {
                try parser.feed(piece, event: event)
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
    }

    private func read(_ pieces: [ArraySlice<UInt8>]) throws -> [Event] {
        var parser = SSEParser()
        var events: [Event] = []
        for piece in pieces {
            try feed(&parser, Array(piece)) { events.append(Self.event($0, $1)) }
        }
        parser.finish { events.append(Self.event($0, $1)) }
        return events
    }

    private static func event(_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Event {
        Event(name: String(decoding: name, as: UTF8.self), data: String(decoding: data, as: UTF8.self))
    }
}
