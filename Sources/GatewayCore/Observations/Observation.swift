/// Everything a worker finds worth noticing.
///
/// `Telemetry` decides what becomes a log line and what a metric.
package enum Observation: Sendable {
    case workerStarted(slot: Int)
    case workerDraining
    case workerStopped
    case snapshotLoaded(version: UInt64, gateways: Int)
    case snapshotRejected(reason: String)
    case controlLost
    case controlConnected
    case storeAvailable(Store)
    case storeUnavailable(Store, reason: String)
    /// The store answered, but not to what was asked: full, read-only, moved.
    ///
    /// Noted at most once a second.
    case storeRefused(Store, reason: String)
    case connectionAccepted
    case connectionClosed
    /// Bytes that are not acceptable HTTP; the connection is closed after the answer.
    case requestMalformed(reason: String)
    case requestFinished(RequestSummary)
    case upstreamConnected(reused: Bool)
    case upstreamFailed(origin: String, reason: String)
    case upstreamRetriedStale
    /// A call failed and is tried again, as its request or gateway asks.
    case upstreamRetried(provider: ProviderID, reason: String)
    /// A record that could not be spooled.
    case recordDropped(reason: DropReason)
    case recordSpooled(bytes: Int)

    package enum Store: String, Sendable, CaseIterable { case redis, postgres }
    package enum DropReason: String, Sendable, CaseIterable {
        case spoolFull = "spool_full"
        case writeFailed = "write_failed"
        case tooLarge = "too_large"
        case rejected = "rejected"
    }
}

/// What the access line and the request metrics need.
package struct RequestSummary: Sendable {
    package var logID: LogID?
    package var requestType: String
    package var provider: ProviderID
    package var status: Int
    package var errorCode: Int?
    package var streamed: Bool
    package var cached: Bool
    package var duration: Duration
    package var firstByte: Duration?
    package var bytesIn: Int
    package var bytesOut: Int
    package var tokensIn: Int?
    package var tokensOut: Int?
    /// For the process log only.
    package var detail: String?

    package init(requestType: String, provider: ProviderID, status: Int, duration: Duration) {
        self.requestType = requestType
        self.provider = provider
        self.status = status
        self.duration = duration
        streamed = false
        cached = false
        bytesIn = 0
        bytesOut = 0
    }
}
