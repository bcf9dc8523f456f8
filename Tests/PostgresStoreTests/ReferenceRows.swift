import GatewayCore
import NIOCore

/// The rows of a batch, composed the plain way: every record is decoded, every column written by itself.
///
/// What `RecordBatch` makes of encoded records is compared with it byte for byte.
struct ReferenceRows {
    private(set) var logs = ReferenceRows.header
    private(set) var bodies = ReferenceRows.header
    private(set) var unlogged = ReferenceRows.header

    private static let header = ByteBuffer(
        bytes: [0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0] + [UInt8](repeating: 0, count: 8))

    /// The rows with the trailer behind them.
    var finished: (logs: ByteBuffer, bodies: ByteBuffer, unlogged: ByteBuffer) {
        var (logs, bodies, unlogged) = (logs, bodies, unlogged)
        logs.writeInteger(Int16(-1))
        bodies.writeInteger(Int16(-1))
        unlogged.writeInteger(Int16(-1))
        return (logs, bodies, unlogged)
    }

    mutating func add(_ record: RequestRecord) {
        var row = Row()
        row.text(record.id.description)
        row.int64(timestamp(record.createdAt))
        row.text(record.eventID)
        row.text(indexed(record.account.rawValue))
        row.text(indexed(record.gateway.rawValue))
        row.text(record.provider.rawValue)
        row.text(record.model)
        row.text(record.modelType)
        row.text(record.path)
        row.text(record.method)
        row.text(record.requestType)
        row.text(record.requestContentType)
        row.text(record.responseContentType)
        row.int32(record.status)
        row.bool(record.success)
        row.bool(record.cached)
        row.int32(record.step)
        row.bool(record.retried)
        row.int64(record.duration.wholeMicroseconds)
        row.int64(record.firstByte?.wholeMicroseconds)
        row.numeric(record.cost)
        row.numeric(record.usage.upstreamCost)
        row.bool(record.customCost)
        row.jsonb(record.metadata)
        row.int64(Int64(record.requestSize))
        row.int64(Int64(record.responseSize))
        row.bool(record.requestBodyComplete)
        row.bool(record.responseBodyComplete)
        row.bool(record.streamed)
        row.bool(record.authenticated)
        row.text(record.token?.rawValue)
        row.text(record.keyAlias?.rawValue)
        row.text(record.userAgent)
        row.int32(record.errorCode)
        row.int16(record.feedback)
        row.text(record.droppedMembers)
        row.text(record.traceID)
        row.text(record.parentSpanID)
        let usage = record.usage
        let counts = [
            usage.input, usage.output, usage.cached, usage.cacheWrite5m, usage.cacheWrite1h, usage.cacheWrite12h,
            usage.reasoning, usage.inputAudio, usage.outputAudio, usage.cachedAudio, usage.inputImage,
            usage.outputImage, usage.cachedImage, usage.inputVideo, usage.outputVideo, usage.citation,
            usage.webSearches, usage.characters, usage.milliseconds, usage.images, usage.pages, usage.requests,
            usage.searchUnits,
        ]
        for count in counts { row.int64(count.map { Int64($0) }) }
        row.text(usage.serviceTier)
        row.text(usage.inferenceGeo)
        row.text(usage.speed)
        if record.unlogged {
            unlogged.writeImmutableBuffer(row.finished)
            return
        }
        logs.writeImmutableBuffer(row.finished)
        guard record.requestBody != nil || record.responseBody != nil else { return }
        var body = Row()
        body.text(record.id.description)
        body.int64(timestamp(record.createdAt))
        body.field(record.requestBody.map { Array(buffer: $0) })
        body.field(record.responseBody.map { Array(buffer: $0) })
        bodies.writeImmutableBuffer(body.finished)
    }

    private func timestamp(_ instant: Instant) -> Int64 {
        min(max(instant.microseconds, -210_866_803_200_000_000), 9_223_371_331_199_999_999) - 946_684_800_000_000
    }

    private func indexed(_ name: String) -> String { name.utf8.count <= 256 ? name : String(name.prefix(64)) }

    /// One row, field by field.
    private struct Row {
        private var fields: [[UInt8]?] = []

        var finished: ByteBuffer {
            var buffer = ByteBuffer()
            buffer.writeInteger(Int16(fields.count))
            for field in fields {
                buffer.writeInteger(Int32(field?.count ?? -1))
                buffer.writeBytes(field ?? [])
            }
            return buffer
        }

        mutating func field(_ bytes: [UInt8]?) { fields.append(bytes) }
        mutating func text(_ value: String?) { field(value.map { $0.utf8.filter { $0 != 0 } }) }
        mutating func bool(_ value: Bool) { field([value ? 1 : 0]) }
        mutating func int64(_ value: Int64?) { field(value.map { bigEndian($0) }) }
        mutating func int32(_ value: Int?) { field(value.map { bigEndian(Int32(clamping: $0)) }) }
        mutating func int16(_ value: Int?) { field(value.map { bigEndian(Int16(clamping: $0)) }) }

        private func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
            withUnsafeBytes(of: value.bigEndian) { Array($0) }
        }

        mutating func jsonb(_ value: String?) {
            guard let value, JSONRules.accept(value) else { return field(nil) }
            field([1] + Array(value.utf8))
        }

        /// From the decimal notation: groups of four digits on both sides of the point.
        mutating func numeric(_ value: PicoUSD?) {
            guard let value else { return field(nil) }
            let text = value.decimalString
            let parts = text.drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
            let whole = String(repeating: "0", count: (4 - parts[0].count % 4) % 4) + parts[0]
            let fraction = parts.count > 1 ? parts[1] : ""
            let digits = whole + fraction + String(repeating: "0", count: (4 - fraction.count % 4) % 4)
            var groups = stride(from: 0, to: digits.count, by: 4).map { start in
                Int16(digits.dropFirst(start).prefix(4)) ?? -1
            }
            var weight = whole.count / 4 - 1
            while groups.first == 0 {
                groups.removeFirst()
                weight -= 1
            }
            while groups.last == 0 { groups.removeLast() }
            if groups.isEmpty { return field([UInt8](repeating: 0, count: 8)) }
            var bytes = bigEndian(Int16(groups.count)) + bigEndian(Int16(weight))
            bytes += bigEndian(Int16(text.hasPrefix("-") ? 0x4000 : 0)) + bigEndian(Int16(fraction.count))
            for group in groups { bytes += bigEndian(group) }
            field(bytes)
        }
    }
}
