import GatewayCore

/// A try that failed and that another one of the same step follows: what its own row of the log says of it.
struct FailedTry: Sendable {
    /// When it began.
    var began: Instant
    /// Until it was known to have failed.
    var duration: Duration
    /// Until the head of the provider's answer was there; nil when there was none.
    var firstByte: Duration?
    /// The head of the answer, whose body is dropped; nil when there was none.
    var head: ResponseHead?
    /// The answer's status, or that of the error which a stream began with, or of the gateway's own error.
    var status: Int
    /// The gateway's own code; nil when it was the provider who refused.
    var errorCode: Int?

    /// - Parameter now: the time, at the end of `duration`.
    init(
        status: Int, errorCode: Int?, head: ResponseHead?, firstByte: Duration?, duration: Duration, now: Instant
    ) {
        began = Instant(microseconds: now.microseconds - duration.wholeMicroseconds)
        self.duration = duration
        self.firstByte = firstByte
        self.head = head
        self.status = status
        self.errorCode = errorCode
    }
}
