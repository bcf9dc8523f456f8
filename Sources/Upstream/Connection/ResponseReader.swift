import GatewayCore
import NIOCore
import WireFormats

/// Reads one answer out of a connection's bytes, however they were cut: interim heads, the head, the body.
///
/// Sans-I/O. Order of calls: `append` and `nextHead` until there is a head, then `append` and `nextPart` until the body
/// is complete, malformed, or the connection has ended (`end`).
struct ResponseReader {
    enum HeadStep {
        case needsMore
        case head(ResponseHead)
        case malformed(reason: String)
    }

    enum BodyStep {
        case needsMore
        /// Bytes of the body as they came, but for chunk extensions and trailer fields; more of it follows.
        case part(ByteBuffer)
        /// The body is complete with these bytes (possibly none).
        case last(ByteBuffer)
        case malformed(reason: String)
    }

    /// How a connection ended, as far as the answer's completeness is concerned.
    enum ConnectionEnd: Equatable {
        /// The peer said it was done: FIN, and `close_notify` before it with TLS.
        case orderly
        /// Reset, or TLS without `close_notify`: whatever ends here may have been cut.
        case broken
    }

    /// Interim answers before a head; a provider that sends more is broken.
    private static let interimLimit = 16

    private let toHeadRequest: Bool
    private var parser = ResponseParser()
    private var follower = BodyFollower(.none)
    private var framing = BodyFraming.none
    private var buffer = ByteBuffer()
    private var interims = 0
    private var keepsAlive = false
    /// Whether the provider has sent anything at all.
    private(set) var sawByte = false
    private(set) var isComplete = false

    init(toHeadRequest: Bool) { self.toHeadRequest = toHeadRequest }

    /// Bytes that have arrived and were not taken yet.
    var bufferedBytes: Int { buffer.readableBytes }

    /// Whether another request may follow on this connection.
    var leavesConnectionUsable: Bool { isComplete && keepsAlive && buffer.readableBytes == 0 }

    mutating func append(_ bytes: ByteBuffer) {
        guard bytes.readableBytes > 0 else { return }
        sawByte = true
        // Parts of it may wait for a slow client.
        if buffer.readableBytes == 0 { buffer = bytes.inOwnMemory } else { buffer.writeImmutableBuffer(bytes) }
    }

    /// Takes the final head; interim ones are dropped.
    mutating func nextHead() -> HeadStep {
        while true {
            let parsed: ResponseHead?
            do throws(HTTP1Error) {
                parsed = try parser.parse(&buffer, toHeadRequest: toHeadRequest)
            } catch {
                return .malformed(reason: error.reason)
            }
            guard let head = parsed else { return .needsMore }
            if head.status < 200 {
                // `Upgrade` is never passed on, so nobody asked for another protocol (RFC 9110 §15.2.2).
                guard head.status != 101 else { return .malformed(reason: "a change of protocol nobody asked for") }
                interims += 1
                guard interims <= Self.interimLimit else { return .malformed(reason: "too many interim answers") }
                continue
            }
            framing = head.framing
            keepsAlive = head.keepsAlive && framing != .untilClose
            follower = BodyFollower(framing)
            isComplete = framing != .untilClose && follower.isComplete
            return .head(head)
        }
    }

    /// Takes what has arrived of the body; `observe` sees its payload first.
    mutating func nextPart(observe: (UnsafeRawBufferPointer) -> Void) -> BodyStep {
        if isComplete { return .last(ByteBuffer()) }
        guard buffer.readableBytes > 0 else { return .needsMore }
        var omitted = 0
        var kept = ByteBuffer()
        let outcome: Result<BodyFollower.Progress, HTTP1Error> = buffer.withUnsafeReadableBytes { bytes in
            var copied = 0
            do throws(HTTP1Error) {
                let progress = try follower.follow(bytes, payload: observe) { run in
                    kept.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[copied..<run.lowerBound]))
                    copied = run.upperBound
                    omitted += run.count
                }
                if omitted > 0 {
                    kept.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[copied..<progress.consumed]))
                }
                return .success(progress)
            } catch {
                return .failure(error)
            }
        }
        switch outcome {
        case .failure(let error):
            return .malformed(reason: error.reason)
        case .success(let progress):
            guard var raw = buffer.readSlice(length: progress.consumed) else {
                preconditionFailure("the body follower consumed more than there is")
            }
            if omitted > 0 { raw = kept }
            isComplete = progress.isComplete
            if isComplete { return .last(raw) }
            return progress.consumed > 0 ? .part(raw) : .needsMore
        }
    }

    /// Whether the answer is complete now that the connection has ended and everything that arrived was taken.
    mutating func end(_ end: ConnectionEnd) -> Bool {
        keepsAlive = false
        if framing == .untilClose, end == .orderly { isComplete = true }
        return isComplete
    }
}
