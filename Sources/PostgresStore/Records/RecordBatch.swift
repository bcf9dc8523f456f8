import GatewayCore
package import NIOCore

/// Records on their way to the database, already in the form in which they are sent.
///
/// An encoded record is not decoded for that: its bytes are copied into the columns of its rows.
package struct RecordBatch: Sendable {
    /// Rows of `logs`, in the order of `RecordWriter`'s columns.
    package private(set) var logs = CopyRows()
    /// The ids of these.
    package private(set) var logIDs: [String] = []
    /// Rows of `log_bodies`.
    package private(set) var bodies = CopyRows()
    /// Records that are counted and not logged, in the form of `logs`.
    package private(set) var unlogged = CopyRows()
    /// The ids of these.
    package private(set) var unloggedIDs: [String] = []
    /// How many records of the batch go to the log of each gateway.
    package private(set) var tallies: [GatewayTally] = []
    /// Ids of those among them that their gateway's log would have, had it not taken enough in their second.
    package private(set) var excess: [String] = []
    /// Goes on from batch to batch.
    package var rate: LogRate
    private var tallyIndices: [String: Int] = [:]
    /// The gateway of the record before: most often that of the next one, too.
    private var latestTally = 0
    /// Room to spell an id in.
    private var spelledID = ByteBuffer()

    /// Names longer than this cannot be looked up by an index and are cut.
    private static let maxIndexedName = 256

    /// - Parameter rate: what logs take; without one, everything.
    package init(rate: LogRate = LogRate(limit: 0)) { self.rate = rate }

    /// The number of records.
    package var count: Int { logs.count + unlogged.count }

    /// Whether bytes were a record.
    package enum Addition: Sendable, Equatable { case added, unreadable }

    /// Adds one record in the form that `RequestRecord.encode` gives it.
    ///
    /// Refused are bytes without an id, an account or a gateway, and damaged ones. Values a column cannot hold are
    /// brought into its range: zero bytes leave text, numbers are clamped, metadata that is no JSON becomes null.
    @discardableResult
    package mutating func add(_ encoded: ByteBuffer) -> Addition {
        unsafe encoded.withUnsafeReadableBytes { bytes in unsafe add(bytes) }
    }

    /// Removes all records.
    package mutating func removeAll() {
        logs.removeAll()
        logIDs.removeAll(keepingCapacity: true)
        bodies.removeAll()
        unlogged.removeAll()
        unloggedIDs.removeAll(keepingCapacity: true)
        tallies.removeAll(keepingCapacity: true)
        tallyIndices.removeAll(keepingCapacity: true)
        excess.removeAll(keepingCapacity: true)
        rate.makeRoom()
    }

    private mutating func add(_ bytes: UnsafeRawBufferPointer) -> Addition {
        let record = unsafe FieldTable<RecordField>(bytes, in: 0..<bytes.count)
        guard record.condition == .sound, let high = record.unsigned(.idHigh), let low = record.unsigned(.idLow),
            let account = record.range(.account), !account.isEmpty,
            let gateway = record.range(.gateway), !gateway.isEmpty
        else { return .unreadable }
        spelledID.clear()
        LogID(high: high, low: low).write(into: &spelledID)
        let id = Array(buffer: spelledID)
        let usage = unsafe FieldTable<UsageField>(bytes, in: record.range(.usage) ?? 0..<0)
        let createdAt = Instant(microseconds: Int64(bitPattern: record.unsigned(.createdAt) ?? 0))
        let bodyLength = (record.range(.requestBody)?.count ?? 0) + (record.range(.responseBody)?.count ?? 0)
        // Text may grow threefold where bytes are replaced that are no UTF-8.
        let capacity = Self.logFields * Self.maxFixedField + 3 * (bytes.count - bodyLength)
        func write(_ row: inout RowWriter) {
            row.text(id)
            row.instant(createdAt)
            row.text(record.range(.eventID) ?? 0..<0)
            row.indexedText(account, limit: Self.maxIndexedName)
            row.indexedText(gateway, limit: Self.maxIndexedName)
            Self.writeLog(record, usage, &row)
            Self.writeUsage(usage, &row)
        }
        let spelled = String(decoding: id, as: UTF8.self)
        var isLogged = !record.bool(.unlogged)
        if isLogged {
            unsafe tally(
                UnsafeRawBufferPointer(rebasing: bytes[account]), UnsafeRawBufferPointer(rebasing: bytes[gateway])
            )
            let endedAt = createdAt.microseconds.addingReportingOverflow(record.signed(.duration) ?? 0).partialValue
            isLogged = rate.admit(tallies[latestTally].meter, endedAt: endedAt)
            if isLogged { tallies[latestTally].records += 1 } else { excess.append(spelled) }
        }
        guard isLogged else {
            unsafe unlogged.add(fields: Self.logFields, capacity: capacity, from: bytes) { write(&$0) }
            unloggedIDs.append(spelled)
            return .added
        }
        unsafe logs.add(fields: Self.logFields, capacity: capacity, from: bytes) { write(&$0) }
        logIDs.append(spelled)
        if record.range(.requestBody) != nil || record.range(.responseBody) != nil {
            unsafe bodies.add(fields: 4, capacity: 4 * Self.maxFixedField + bodyLength, from: bytes) { row in
                row.text(id)
                row.instant(createdAt)
                row.bytes(record.range(.requestBody))
                row.bytes(record.range(.responseBody))
            }
        }
        return .added
    }

    /// Makes the tally of a gateway the latest one.
    private mutating func tally(_ account: UnsafeRawBufferPointer, _ gateway: UnsafeRawBufferPointer) {
        if latestTally < tallies.count, unsafe tallies[latestTally].matches(account, gateway) { return }
        let fresh = unsafe GatewayTally(account: account, gateway: gateway)
        // An account's id holds no slash.
        let key = fresh.account + "/" + fresh.gateway
        if let index = tallyIndices[key] {
            latestTally = index
        } else {
            latestTally = tallies.count
            tallyIndices[key] = latestTally
            tallies.append(fresh)
            tallies[latestTally].meter = rate.place(of: key)
        }
    }

    private static let logFields = 64
    /// No number, and no id, takes more bytes than this with its length.
    private static let maxFixedField = 32

    /// From the provider to the feedback.
    private static func writeLog(
        _ record: FieldTable<RecordField>, _ usage: FieldTable<UsageField>, _ row: inout RowWriter
    ) {
        row.text(record.range(.provider) ?? 0..<0)
        row.text(record.range(.model) ?? 0..<0)
        row.text(record.range(.modelType))
        row.text(record.range(.path) ?? 0..<0)
        if let method = record.range(.method) { row.text(method) } else { row.text("POST") }
        if let type = record.range(.requestType) { row.text(type) } else { row.text("native") }
        row.text(record.range(.requestContentType))
        row.text(record.range(.responseContentType))
        row.int32(record.unsigned(.status) ?? 0)
        row.bool(record.bool(.success))
        row.bool(record.bool(.cached))
        row.int32(record.unsigned(.step) ?? 0)
        row.bool(record.bool(.retried))
        row.int64(record.signed(.duration) ?? 0)
        row.int64(record.signed(.firstByte))
        row.numeric(picoDollars: record.signed(.cost))
        row.numeric(picoDollars: usage.signed(.upstreamCost))
        row.bool(record.bool(.customCost))
        row.json(record.range(.metadata))
        row.int64(Int64(clamping: record.unsigned(.requestSize) ?? 0))
        row.int64(Int64(clamping: record.unsigned(.responseSize) ?? 0))
        row.bool(!record.bool(.requestBodyIsCut))
        row.bool(!record.bool(.responseBodyIsCut))
        row.bool(record.bool(.streamed))
        row.bool(record.bool(.authenticated))
        row.text(record.range(.token))
        row.text(record.range(.keyAlias))
        row.text(record.range(.userAgent))
        row.int32(record.signed(.errorCode))
        row.int16(record.signed(.feedback))
        row.text(record.range(.droppedMembers))
        row.text(record.range(.traceID))
        row.text(record.range(.parentSpanID))
    }

    private static func writeUsage(_ usage: FieldTable<UsageField>, _ row: inout RowWriter) {
        row.int64(usage.signed(.input))
        row.int64(usage.signed(.output))
        row.int64(usage.signed(.cached))
        row.int64(usage.signed(.cacheWrite5m))
        row.int64(usage.signed(.cacheWrite1h))
        row.int64(usage.signed(.cacheWrite12h))
        row.int64(usage.signed(.reasoning))
        row.int64(usage.signed(.inputAudio))
        row.int64(usage.signed(.outputAudio))
        row.int64(usage.signed(.cachedAudio))
        row.int64(usage.signed(.inputImage))
        row.int64(usage.signed(.outputImage))
        row.int64(usage.signed(.cachedImage))
        row.int64(usage.signed(.inputVideo))
        row.int64(usage.signed(.outputVideo))
        row.int64(usage.signed(.citation))
        row.int64(usage.signed(.webSearches))
        row.int64(usage.signed(.characters))
        row.int64(usage.signed(.milliseconds))
        row.int64(usage.signed(.images))
        row.int64(usage.signed(.pages))
        row.int64(usage.signed(.requests))
        row.int64(usage.signed(.searchUnits))
        row.text(usage.range(.serviceTier))
        row.text(usage.range(.inferenceGeo))
        row.text(usage.range(.speed))
    }
}
