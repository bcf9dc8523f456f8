package import GatewayCore
import NIOCore

/// Records on their way to the database, already in the form in which they are sent.
package struct RecordBatch: Sendable {
    private(set) var logs: CopyRows
    private(set) var bodies: CopyRows

    /// Names longer than this cannot be looked up by an index and are cut.
    private static let maxIndexedName = 256

    /// - Parameter capacity: expected size in bytes.
    package init(capacity: Int = 0) {
        logs = CopyRows(capacity: min(capacity, 1 << 20) + 512)
        bodies = CopyRows(capacity: capacity + 64)
    }

    package init(_ records: some Sequence<RequestRecord>) {
        self.init()
        for record in records { add(record) }
    }

    package var count: Int { logs.count }

    /// Adds one record.
    ///
    /// Values a column cannot hold are brought into its range: zero bytes leave text, numbers are clamped, metadata
    /// that is no JSON becomes null.
    package mutating func add(_ record: RequestRecord) {
        let id = record.id.description
        addLog(record, id)
        guard record.requestBody != nil || record.responseBody != nil else { return }
        bodies.startRow(fields: 4)
        bodies.text(id)
        bodies.instant(record.createdAt)
        bodies.bytes(record.requestBody)
        bodies.bytes(record.responseBody)
    }

    /// The order is that of `RecordWriter`'s column list.
    private mutating func addLog(_ record: RequestRecord, _ id: String) {
        logs.startRow(fields: Self.logFields)
        logs.text(id)
        logs.instant(record.createdAt)
        logs.text(record.eventID)
        logs.text(Self.indexed(record.account.rawValue))
        logs.text(Self.indexed(record.gateway.rawValue))
        logs.text(record.provider.rawValue)
        logs.text(record.model)
        logs.text(record.modelType)
        logs.text(record.path)
        logs.text(record.method)
        logs.text(record.requestType)
        logs.text(record.requestContentType)
        logs.text(record.responseContentType)
        logs.int32(record.status)
        logs.bool(record.success)
        logs.bool(record.cached)
        logs.int32(record.step)
        logs.int64(record.duration.wholeMicroseconds)
        logs.int64(record.firstByte.map { Int($0.wholeMicroseconds) })
        logs.numeric(record.cost)
        logs.numeric(record.usage.upstreamCost)
        logs.bool(record.customCost)
        logs.json(record.metadata)
        logs.int64(record.requestSize)
        logs.int64(record.responseSize)
        logs.bool(record.requestBodyComplete)
        logs.bool(record.responseBodyComplete)
        logs.bool(record.streamed)
        logs.bool(record.authenticated)
        logs.text(record.token?.rawValue)
        logs.text(record.keyAlias?.rawValue)
        logs.text(record.userAgent)
        logs.int32(record.errorCode)
        logs.int16(record.feedback)
        addUsage(record.usage)
    }

    private mutating func addUsage(_ usage: Usage) {
        logs.int64(usage.input)
        logs.int64(usage.output)
        logs.int64(usage.cached)
        logs.int64(usage.cacheWrite5m)
        logs.int64(usage.cacheWrite1h)
        logs.int64(usage.cacheWrite12h)
        logs.int64(usage.reasoning)
        logs.int64(usage.inputAudio)
        logs.int64(usage.outputAudio)
        logs.int64(usage.cachedAudio)
        logs.int64(usage.inputImage)
        logs.int64(usage.outputImage)
        logs.int64(usage.cachedImage)
        logs.int64(usage.inputVideo)
        logs.int64(usage.outputVideo)
        logs.int64(usage.citation)
        logs.int64(usage.webSearches)
        logs.int64(usage.characters)
        logs.int64(usage.milliseconds)
        logs.int64(usage.images)
        logs.int64(usage.pages)
        logs.int64(usage.requests)
        logs.int64(usage.searchUnits)
        logs.text(usage.serviceTier)
        logs.text(usage.inferenceGeo)
        logs.text(usage.speed)
    }

    private static let logFields = 60

    private static func indexed(_ name: String) -> String {
        name.utf8.count <= maxIndexedName ? name : String(name.prefix(maxIndexedName / 4))
    }
}
