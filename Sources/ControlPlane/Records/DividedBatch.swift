import GatewayCore
import NIOCore
import PostgresStore

/// Stores piece by piece what PostgreSQL refused as a whole, until the records that are to blame stand alone.
///
/// A refusal of content speaks for itself. Any other, and a statement that ran out of time, may be trouble of the
/// database; then a record is to blame only if a plain one in its place is taken, and it is refused once more after that.
struct DividedBatch {
    private let writer: RecordWriter
    /// When to give up; nil: never.
    private let deadline: ContinuousClock.Instant?

    /// What logs take, after the pieces that were stored.
    private(set) var rate: LogRate
    /// What became of the pieces that were stored, also when `store` failed later.
    private(set) var outcomes: [RecordOutcome] = []
    /// The records that are to blame, and why.
    private(set) var culprits: [(payload: ByteBuffer, reason: String)] = []

    init(_ writer: RecordWriter, rate: LogRate, until deadline: ContinuousClock.Instant?) {
        self.writer = writer
        self.rate = rate
        self.deadline = deadline
    }

    /// Stores all records but the culprits.
    ///
    /// - Parameter refusal: why the records were not stored together.
    /// - Returns: nil when it is done; the database's trouble, or the refusal when there is no more time, when all records
    ///   have to come again. What was stored by then is passed over the next time.
    mutating func store(_ payloads: ArraySlice<ByteBuffer>, after refusal: PostgresError) async -> PostgresError? {
        do throws(PostgresError) {
            // Trouble of the database is found out before every piece has run into it.
            if !refusal.isAboutContent, let first = payloads.first {
                try await writer.rehearse(Self.plainRecord(like: first))
            }
            try await divide(payloads, refusal)
            return nil
        } catch {
            return error
        }
    }

    private mutating func divide(
        _ payloads: ArraySlice<ByteBuffer>, _ refusal: PostgresError
    ) async throws(PostgresError) {
        guard payloads.count > 1 else {
            if let payload = payloads.first { try await judge(payload, refusal) }
            return
        }
        let middle = payloads.startIndex + payloads.count / 2
        for half in [payloads[..<middle], payloads[middle...]] {
            if let error = try await self.refusal(of: half, after: refusal) { try await divide(half, error) }
        }
    }

    /// Stores records together; returns why they were refused.
    private mutating func refusal(
        of payloads: ArraySlice<ByteBuffer>, after earlier: PostgresError
    ) async throws(PostgresError) -> PostgresError? {
        if Task.isCancelled { throw earlier }
        if let deadline, ContinuousClock.now >= deadline { throw earlier }
        var batch = RecordBatch(rate: rate)
        // What cannot be read is no matter of the database.
        for payload in payloads { batch.add(payload) }
        do throws(PostgresError) {
            outcomes.append(try await writer.write(batch))
            rate = batch.rate
            return nil
        } catch {
            guard error.isOfStatement else { throw error }
            return error
        }
    }

    /// Decides about a record that was refused alone.
    private mutating func judge(_ payload: ByteBuffer, _ refusal: PostgresError) async throws(PostgresError) {
        if refusal.isAboutContent {
            culprits.append((payload, refusal.description))
            return
        }
        try await writer.rehearse(Self.plainRecord(like: payload))
        if let error = try await self.refusal(of: [payload], after: refusal) {
            culprits.append((payload, error.description))
        }
    }

    /// A record of the same gateway and time that says nothing.
    private static func plainRecord(like payload: ByteBuffer) -> RecordBatch {
        var batch = RecordBatch()
        guard let record = RequestRecord(decoding: payload) else { return batch }
        var plain = RequestRecord(
            id: LogID(high: record.id.high, low: ~record.id.low), eventID: "", account: record.account,
            gateway: record.gateway, createdAt: record.createdAt
        )
        if record.requestBody != nil || record.responseBody != nil { plain.requestBody = ByteBuffer() }
        plain.unlogged = record.unlogged
        plain.retried = record.retried
        var encoded = ByteBuffer()
        plain.encode(into: &encoded)
        batch.add(encoded)
        return batch
    }
}
