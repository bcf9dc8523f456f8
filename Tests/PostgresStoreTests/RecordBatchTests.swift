import GatewayCore
import NIOCore
import PostgresStore
import Testing

@Suite("RecordBatch")
struct RecordBatchTests {
    /// A generator whose numbers are the same in every run.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return (state ^ state >> 33) &* 0xff51_afd7_ed55_8ccd
        }
    }

    private static func message(_ rows: CopyRows) -> [UInt8] { rows.message.flatMap { Array(buffer: $0) } }

    /// Compares what becomes of the encoded form with what becomes of its decoded members.
    private static func expectSameRows(_ encoded: [ByteBuffer], _ comment: Comment? = nil) {
        var batch = RecordBatch()
        var reference = ReferenceRows()
        var count = 0
        for bytes in encoded {
            let record = RequestRecord(decoding: bytes)
            #expect((batch.add(bytes) == .added) == (record != nil), comment)
            if let record {
                reference.add(record)
                count += 1
            }
        }
        #expect(batch.count == count, comment)
        #expect(difference(batch.logs, reference.finished.logs) == nil, comment)
        #expect(difference(batch.bodies, reference.finished.bodies) == nil, comment)
        #expect(difference(batch.unlogged, reference.finished.unlogged) == nil, comment)
    }

    /// The surroundings of the first byte that differs; nil when none does.
    private static func difference(_ rows: CopyRows, _ reference: ByteBuffer) -> String? {
        let (ours, theirs) = (message(rows), Array(buffer: reference))
        if ours == theirs { return nil }
        let index = zip(ours, theirs).prefix { $0 == $1 }.count
        let start = max(0, index - 8)
        return "byte \(index): \(ours.dropFirst(start).prefix(32)) instead of \(theirs.dropFirst(start).prefix(32))"
    }

    private static func encoded(_ record: RequestRecord) -> ByteBuffer {
        var buffer = ByteBuffer()
        record.encode(into: &buffer)
        return buffer
    }

    private static let texts = [
        "", "a", "gpt-4o", "exactly8", "seven77", "a\0b", "\0", "\0\0", "käse", "\u{FFFD}", "\u{1F600}\u{202E}",
        "12345678\0", "1234567\u{80}", "\u{7f}\u{1}", String(repeating: "x", count: 256),
        String(repeating: "x", count: 257), String(repeating: "ä", count: 128), String(repeating: "ä", count: 129),
        String(repeating: "👨‍👩‍👧‍👦", count: 70), String(repeating: "y", count: 255) + "\0\0",
        String(repeating: "z", count: 100_000),
    ]
    private static let metadata = [
        "{}", "{\"a\":1}", "{\"ä\":\"👍\"}", "{", "", "nonsense", "{\"a\":\"\\u0000\"}", "{\"a\":1e9999}",
        "{\"a\":\"\0\"}",
        " {\"a\" : [1, 2.50, null, true, \"\\ud83d\\ude00\"]} ", "[1,]",
    ]
    private static let numbers = [
        0, 1, -1, 127, 128, -128, 32_767, 32_768, -32_769, 2_147_483_647, 2_147_483_648, -2_147_483_649, .max, .min,
    ]
    private static let amounts: [Int64] = [
        0, 1, -1, 9, 10, 9_999, 10_000, 10_001, 99_990_000, 100_000_000, 435_000_000, 999_999_999_999,
        1_000_000_000_000, 1_000_000_000_001, 10_000_000_000_000_000, -123_456_789_012_345_678, .max, .min, .min + 1,
    ]

    private static func record(_ dice: inout Dice) -> RequestRecord {
        func some<T>(_ values: [T]) -> T? { Bool.random(using: &dice) ? values.randomElement(using: &dice) : nil }
        func text() -> String { texts[Int.random(in: 0..<texts.count, using: &dice)] }
        func number() -> Int { some(numbers) ?? Int.random(in: .min ... .max, using: &dice) }
        func money() -> Int64 {
            some(amounts) ?? Int64.random(in: .min ... .max, using: &dice) >> Int64(dice.next() % 64)
        }
        func body() -> ByteBuffer {
            ByteBuffer(
                bytes: (0..<Int.random(in: 0...300, using: &dice)).map { _ in UInt8(truncatingIfNeeded: dice.next()) })
        }
        var record = RequestRecord(
            id: LogID(high: dice.next(), low: dice.next()), eventID: text(), account: AccountID(text()),
            gateway: GatewayID(text()), createdAt: Instant(microseconds: Int64(number()))
        )
        record.provider = ProviderID(text())
        record.model = text()
        record.modelType = some(texts)
        record.path = text()
        record.method = text()
        record.requestType = text()
        record.requestContentType = some(texts)
        record.responseContentType = some(texts)
        record.status = number()
        record.success = .random(using: &dice)
        record.cached = .random(using: &dice)
        record.step = number()
        record.duration = .microseconds(number())
        record.firstByte = some([.microseconds(number())])
        record.cost = some([PicoUSD(picoDollars: money())])
        record.customCost = .random(using: &dice)
        record.metadata = some(metadata)
        record.requestSize = number()
        record.responseSize = number()
        record.requestBody = some([body()])
        record.responseBody = some([body()])
        record.requestBodyComplete = .random(using: &dice)
        record.responseBodyComplete = .random(using: &dice)
        record.streamed = .random(using: &dice)
        record.unlogged = .random(using: &dice)
        record.retried = .random(using: &dice)
        record.authenticated = .random(using: &dice)
        record.token = some(texts).map { TokenID($0) }
        record.keyAlias = some(texts).map { KeyAlias($0) }
        record.userAgent = some(texts)
        record.droppedMembers = some(texts)
        record.traceID = some(texts)
        record.parentSpanID = some(texts)
        record.errorCode = some([number()])
        record.feedback = some([number()])
        guard Bool.random(using: &dice) else { return record }
        for path in usagePaths { record.usage[keyPath: path] = some([number()]) }
        record.usage.upstreamCost = some([PicoUSD(picoDollars: money())])
        record.usage.serviceTier = some(texts)
        record.usage.inferenceGeo = some(texts)
        record.usage.speed = some(texts)
        return record
    }

    private static var usagePaths: [WritableKeyPath<Usage, Int?>] {
        [
            \.input, \.cached, \.cacheWrite5m, \.cacheWrite1h, \.cacheWrite12h, \.output, \.reasoning, \.inputAudio,
            \.outputAudio, \.cachedAudio, \.inputImage, \.outputImage, \.cachedImage, \.inputVideo, \.outputVideo,
            \.citation, \.webSearches, \.characters, \.milliseconds, \.images, \.pages, \.requests, \.searchUnits,
        ]
    }

    @Test("random records have the rows that their decoded members have", arguments: 1...8 as ClosedRange<UInt64>)
    func random(seed: UInt64) {
        var dice = Dice(state: seed)
        Self.expectSameRows((0..<100).map { _ in Self.encoded(Self.record(&dice)) })
    }

    @Test("every member alone, present and absent, has the row that its decoded form has")
    func members() {
        var dice = Dice(state: 99)
        let empty = RequestRecord(
            id: LogID(high: 1, low: 2), eventID: "", account: "a", gateway: "g", createdAt: Instant(microseconds: 0))
        Self.expectSameRows([Self.encoded(empty)])
        for path in Self.usagePaths {
            for number in Self.numbers {
                var record = empty
                record.usage[keyPath: path] = number
                Self.expectSameRows([Self.encoded(record)])
            }
        }
        for text in Self.texts {
            var record = Self.record(&dice)
            (record.account, record.gateway) = (AccountID(text), GatewayID(text))
            Self.expectSameRows([Self.encoded(record)], "names of \(text.utf8.count) bytes")
        }
        for text in Self.metadata {
            var record = empty
            record.metadata = text
            Self.expectSameRows([Self.encoded(record)], "metadata \(text.debugDescription)")
        }
        for amount in Self.amounts {
            var record = empty
            record.cost = PicoUSD(picoDollars: amount)
            record.usage.upstreamCost = PicoUSD(picoDollars: 0 &- amount)
            Self.expectSameRows([Self.encoded(record)], "\(amount) pico-dollars")
        }
    }

    @Test("bytes that are no UTF-8 are replaced as a string replaces them")
    func brokenText() {
        let broken: [[UInt8]] = [
            [0xff], [0xc3], [0xe2, 0x82], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80], [0xc0, 0x80], [0x61, 0x80, 0x62],
            [UInt8](repeating: 0xfe, count: 1000), [0xf0, 0x9f, 0x98, 0x80, 0xf0], [0, 0xff, 0, 0x41],
            [0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d],
        ]
        for bytes in broken {
            for field in 3...36 as ClosedRange<UInt16> {
                var writer = Self.identity()
                writer.write(field, bytes: bytes)
                Self.expectSameRows([writer.buffer], "member \(field): \(bytes.prefix(8))")
            }
        }
    }

    private static func identity() -> TaggedWriter {
        var writer = TaggedWriter()
        writer.write(1, fixed: 1 << 40)
        writer.write(2, fixed: 7)
        writer.write(4, "account")
        writer.write(5, "gateway")
        return writer
    }

    @Test("members of unexpected types, repeated and unknown ones mean what they mean to the decoder")
    func oddForms() {
        for field in (0...45 as ClosedRange<UInt16>) + [63, 64, 65, 16_383] {
            for nested in [nil, 1, 6, 40, 41, 63, 64, 200] as [UInt16?] {
                var writers: [TaggedWriter] = []
                for form in 0..<5 {
                    var writer = Self.identity()
                    let write = { (writer: inout TaggedWriter, number: UInt16) in
                        switch form {
                        case 0: writer.write(number, 300)
                        case 1: writer.write(number, fixed: UInt64.max - 1)
                        case 2: writer.write(number, "text")
                        case 3: writer.write(number, "")
                        default:
                            writer.write(number, "first")
                            writer.write(number, 5)
                        }
                    }
                    if let nested { writer.write(field) { write(&$0, nested) } } else { write(&writer, field) }
                    writers.append(writer)
                }
                Self.expectSameRows(writers.map(\.buffer), "member \(field), nested \(nested ?? 0)")
            }
        }
    }

    @Test("every shortened or altered encoding is refused or read as the decoder does")
    func damage() {
        var dice = Dice(state: 4711)
        for _ in 0..<4 {
            var record = Self.record(&dice)
            // Long texts add nothing here but time.
            for path in [\RequestRecord.eventID, \.model, \.path, \.method, \.requestType] {
                record[keyPath: path] = "x\0ä"
            }
            (record.account, record.gateway, record.provider) = ("a", "g", "p")
            (record.modelType, record.userAgent, record.requestContentType, record.responseContentType) = (
                nil, "u", nil, "t"
            )
            (record.token, record.keyAlias) = (nil, nil)
            (record.droppedMembers, record.traceID, record.parentSpanID) = ("d", nil, "s")
            (record.usage.serviceTier, record.usage.inferenceGeo, record.usage.speed) = ("s", nil, nil)
            record.usage.output = 3
            let whole = Self.encoded(record)
            for length in 0..<whole.readableBytes {
                Self.expectSameRows([whole.getSlice(at: 0, length: length) ?? ByteBuffer()], "cut after \(length)")
            }
            for index in 0..<whole.readableBytes {
                for value in [0, 0xff, UInt8(truncatingIfNeeded: dice.next())] {
                    var altered = whole
                    altered.setInteger(value, at: index)
                    Self.expectSameRows([altered], "byte \(index) is \(value)")
                }
            }
        }
    }

    @Test("a batch that was emptied is as good as a new one")
    func reuse() {
        var dice = Dice(state: 5)
        let first = Self.encoded(Self.record(&dice))
        var second = Self.record(&dice)
        second.requestBody = ByteBuffer(repeating: 0x61, count: 6 << 20)
        var used = RecordBatch()
        var fresh = RecordBatch()
        used.add(first)
        used.add(Self.encoded(second))
        used.removeAll()
        #expect(used.count == 0)
        used.add(first)
        fresh.add(first)
        #expect(Self.message(used.logs) == Self.message(fresh.logs))
        #expect(Self.message(used.bodies) == Self.message(fresh.bodies))
    }
}

extension RecordBatch {
    init(_ records: some Sequence<RequestRecord>) {
        self.init()
        for record in records {
            var encoded = ByteBuffer()
            record.encode(into: &encoded)
            add(encoded)
        }
    }
}
