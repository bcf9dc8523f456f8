import TestKit
import Testing
import WireFormats

@Suite("Binary event streams")
struct EventStreamParserTests {
    private struct Frame: Equatable {
        var type: String
        var payload: String
    }

    private static let stream: [UInt8] =
        EventFrame.event("messageStart", #"{"role":"assistant"}"#) + EventFrame.event("empty", "")
        + EventFrame.bytes(
            headers: [1, 0x61, 0, 1, 0x62, 1, 1, 0x63, 2, 9, 1, 0x64, 3, 9, 9, 1, 0x65, 4, 9, 9, 9, 9]
                + [1, 0x66, 5] + [UInt8](repeating: 7, count: 8) + [1, 0x67, 8] + [UInt8](repeating: 7, count: 8)
                + [1, 0x68, 9] + [UInt8](repeating: 7, count: 16) + [1, 0x69, 6, 0, 2, 0xFF, 0]
                + EventFrame.string(":event-type", "every kind of header"),
            payload: Array("x".utf8)
        ) + EventFrame.event("é", #"{"t":"é😀"}"#)

    private static let expected = [
        Frame(type: "messageStart", payload: #"{"role":"assistant"}"#), Frame(type: "empty", payload: ""),
        Frame(type: "every kind of header", payload: "x"), Frame(type: "é", payload: #"{"t":"é😀"}"#),
    ]

    private func read(_ pieces: [ArraySlice<UInt8>], limit: Int = 16 << 20) throws -> ([Frame], isWhole: Bool) {
        var parser = EventStreamParser(frameLimit: limit)
        var frames: [Frame] = []
        for piece in pieces {
            try withBytes(Array(piece)) { bytes in
                try parser.feed(bytes) { frame in
                    frames.append(
                        Frame(
                            type: frame.text(":event-type").map { String(decoding: $0, as: UTF8.self) } ?? "none",
                            payload: String(decoding: frame.payload, as: UTF8.self)
                        )
                    )
                }
            }
        }
        return (frames, parser.isBetweenFrames)
    }

    private func failure(_ bytes: [UInt8], limit: Int = 16 << 20) -> EventStreamError? {
        var failures: Set<String> = []
        var last: EventStreamError?
        for size in [bytes.count, 1, 7] {
            let pieces = stride(from: 0, to: bytes.count, by: max(size, 1)).map {
                bytes[$0..<min($0 + max(size, 1), bytes.count)]
            }
            do {
                _ = try read(pieces, limit: limit)
                last = nil
            } catch {
                last = error as? EventStreamError
            }
            failures.insert("\(String(describing: last))")
        }
        #expect(failures.count == 1, "the cuts decided about the outcome: \(failures)")
        return last
    }

    @Test("the frames come out the same, cut at any place, at any two places of the first and byte by byte")
    func cutAnywhere() throws {
        let bytes = Self.stream
        for cut in 0...bytes.count {
            let (frames, isWhole) = try read([bytes[..<cut], bytes[cut...]])
            #expect(frames == Self.expected && isWhole)
        }
        let first = EventFrame.event("a", "b")
        for one in 0...first.count {
            for two in one...first.count {
                let (frames, isWhole) = try read([first[..<one], first[one..<two], first[two...] + first])
                #expect(frames == [Frame(type: "a", payload: "b"), Frame(type: "a", payload: "b")] && isWhole)
            }
        }
        #expect(try read(bytes.indices.map { bytes[$0...$0] }) == (Self.expected, true))
    }

    @Test("a stream that ends inside a frame is known to")
    func cutShort() throws {
        let bytes = EventFrame.event("a", "b")
        for end in 1..<bytes.count { #expect(try !read([bytes[..<end]]).isWhole) }
        #expect(try read([]).isWhole)
        #expect(try read([bytes[...]]).isWhole)
    }

    @Test("a frame inside one piece is handed out where it stands")
    func inPlace() throws {
        let frame = EventFrame.event("a", "payload")
        var parser = EventStreamParser()
        try withBytes(frame + frame) { bytes in
            var offsets: [Int] = []
            try parser.feed(bytes) { offsets.append($0.payload.baseAddress! - bytes.baseAddress!) }
            #expect(offsets == [frame.count - 11, 2 * frame.count - 11])
        }
    }

    @Test("one changed bit anywhere is an error")
    func changedBits() throws {
        let bytes = EventFrame.event("messageStart", "{}")
        for index in bytes.indices {
            for bit in 0..<8 {
                var wrong = bytes
                wrong[index] ^= 1 << bit
                #expect(throws: EventStreamError.self) { try read([wrong[...], bytes[...]]) }
            }
        }
    }

    @Test("after an error nothing more is read")
    func afterAnError() {
        var parser = EventStreamParser()
        var wrong = EventFrame.event("a", "b")
        wrong[wrong.count - 1] ^= 1
        for bytes in [wrong, EventFrame.event("a", "b")] {
            #expect(throws: EventStreamError.wrongChecksum) {
                try withBytes(bytes) { try parser.feed($0) { _ in Issue.record("a frame was handed out") } }
            }
        }
        #expect(!parser.isBetweenFrames)
    }

    private func prelude(_ total: UInt32, _ headers: UInt32) -> [UInt8] {
        var bytes = withUnsafeBytes(of: total.bigEndian) { Array($0) }
        bytes += withUnsafeBytes(of: headers.bigEndian) { Array($0) }
        return bytes + withUnsafeBytes(of: EventFrame.checksum(bytes).bigEndian) { Array($0) }
    }

    @Test("lengths are refused before anything of that length has come")
    func lengths() {
        #expect(failure(prelude(15, 0)) == .malformedPrelude)
        #expect(failure(prelude(0, 0)) == .malformedPrelude)
        #expect(failure(prelude(100, 85)) == .malformedPrelude)
        #expect(failure(prelude(100, .max)) == .malformedPrelude)
        #expect(failure(prelude(100, 84)) == nil)
        #expect(failure(prelude(.max, 0)) == .frameTooLarge)
        #expect(failure(prelude((16 << 20) + 1, 0)) == .frameTooLarge)
        #expect(failure(prelude(16 << 20, 0)) == nil)
        #expect(failure(prelude(200_000, 131_073)) == .frameTooLarge)
        #expect(failure(prelude(41, 0), limit: 40) == .frameTooLarge)
    }

    @Test(
        "headers that are not what they say are an error",
        arguments: [
            [0], [0, 7, 0, 0], [1], [1, 0x61], [1, 0x61, 10], [5, 0x61, 0], [1, 0x61, 2], [1, 0x61, 4, 0, 0, 0],
            [1, 0x61, 7, 0], [1, 0x61, 7, 0, 2, 0x62], [1, 0x61, 6, 0xFF, 0xFF], [1, 0x61, 9, 1, 2],
        ] as [[UInt8]])
    func headers(_ block: [UInt8]) {
        #expect(failure(EventFrame.bytes(headers: block, payload: [])) == .malformedHeaders)
    }

    @Test("the checksum is that of gzip, for every length")
    func checksums() {
        #expect(EventFrame.checksum(Array("123456789".utf8)) == 0xCBF4_3926)
        var generator = SeededGenerator(seed: 7)
        for length in 0..<300 {
            let payload = (0..<length).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(failure(EventFrame.bytes(headers: [], payload: payload)) == nil)
        }
    }

    // MARK: Events

    private func events(_ bytes: [UInt8], _ framing: EventFraming, size: Int) throws -> [String] {
        var reader = EventReader(framing)
        var found: [String] = []
        func note(_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) {
            found.append("\(String(decoding: name, as: UTF8.self))|\(String(decoding: data, as: UTF8.self))")
        }
        for start in stride(from: 0, to: bytes.count, by: size) {
            try withBytes(Array(bytes[start..<min(start + size, bytes.count)])) { try reader.feed($0, event: note) }
        }
        reader.finish(event: note)
        return found
    }

    @Test("either framing gives names and data", arguments: [1, 10, 100_000])
    func eitherFraming(size: Int) throws {
        #expect(try events(Array("event: a\ndata: b\n\ndata: c".utf8), .sse, size: size) == ["a|b", "|c"])
        let frames =
            EventFrame.event("a", "b") + EventFrame.exception("throttlingException", #"{"message":"slow"}"#)
            + EventFrame.bytes(
                [(":message-type", "error"), (":error-code", "Internal"), (":error-message", #"a "b""#)], ""
            ) + EventFrame.bytes([(":message-type", "exception")], "{}")
            + EventFrame.bytes([(":message-type", "error")], "") + EventFrame.bytes([], "x")
        #expect(
            try events(frames, .amazon, size: size) == [
                "a|b", #"exception:throttlingException|{"message":"slow"}"#,
                #"exception:Internal|{"message":"a \"b\""}"#, "exception:|{}", #"exception:|{"message":""}"#, "|x",
            ])
    }

    @Test("each framing tells of its own errors")
    func errors() {
        #expect(throws: EventReaderError.amazon(.malformedPrelude)) {
            try events(Array("data: this is text".utf8), .amazon, size: 100)
        }
        #expect(throws: EventReaderError.sse(.eventTooLarge)) {
            try events(Array("data: ".utf8) + [UInt8](repeating: 0x61, count: 17 << 20), .sse, size: 1 << 24)
        }
    }
}
