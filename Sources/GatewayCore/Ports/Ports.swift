/// Takes settled records; they are on their way to disk when the client's last byte is sent.
@WorkerLoop
package protocol RecordSink: AnyObject {
    /// Adds a record to this tick's write; returns false when it had to be dropped.
    ///
    /// - Parameters:
    ///   - estimate: bytes that the record takes, rather too many than too few.
    ///   - body: writes the record's fields; called again when the estimate was too small.
    @discardableResult
    func append(estimate: Int, _ body: (inout RecordEncoder) -> Void) -> Bool
}

extension RecordSink {
    /// Adds a record that exists as a value.
    @discardableResult
    package func append(_ record: RequestRecord) -> Bool {
        append(estimate: record.estimatedLength) { record.encode(into: &$0) }
    }
}

/// The configuration that is in force now.
@WorkerLoop
package protocol SnapshotSource: AnyObject {
    /// Nil until the first snapshot has been loaded.
    var current: SnapshotIndex? { get }
}

/// Asks control for what a worker may not write itself.
@WorkerLoop
package protocol GatewayProvisioner: AnyObject {
    /// Creates the `default` gateway of `account` if it is missing; returns when `SnapshotSource` knows it.
    func provisionDefaultGateway(of account: AccountID) async throws(GatewayError)
}

/// Turns a stored secret into its value.
@WorkerLoop
package protocol SecretOpener: AnyObject {
    /// Nil when the secret is missing or its envelope cannot be opened.
    func open(_ secret: SealedSecret) -> Secret<[UInt8]>?
}

/// Counts requests per gateway in the shared store.
@WorkerLoop
package protocol RequestCounter: AnyObject {
    /// Adds one to today's count of the gateway; lost without notice when the store is away.
    func count(_ gateway: GatewayID, of account: AccountID)
}

/// Hashes a token's text for the lookup of its grant.
package protocol TokenHasher: Sendable {
    /// SHA-256, 32 bytes.
    func hash(_ token: UnsafeRawBufferPointer) -> [UInt8]
}

/// The time, as an argument of whoever needs it.
package protocol WallClock: Sendable {
    var now: Instant { get }
    /// A clock that never jumps, for durations.
    var monotonic: ContinuousClock.Instant { get }
}

/// Takes note of what happened; decides on log lines and metrics.
@WorkerLoop
package protocol Observer: AnyObject {
    func record(_ observation: Observation)
}
