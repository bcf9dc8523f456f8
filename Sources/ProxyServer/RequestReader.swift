import GatewayCore
import NIOCore
import WireFormats

/// Cuts the bytes of a client into heads and bodies, as far as the present exchange allows.
///
/// Bytes of a pipelined next request wait; the reader says when they are enough.
struct RequestReader {
    /// Where the next bytes belong.
    enum Place {
        /// Before or inside a head.
        case head
        /// Inside the body of the present request.
        case length(remaining: Int)
        case chunked(BodyFollower)
        /// The body is complete; the answer is not.
        case done
        /// The connection is ending: the rest is thrown away.
        case discarding
    }

    /// What the bytes so far amount to.
    enum Step {
        /// More bytes are needed, or the present exchange has to end first.
        case wait
        case head(RequestHead)
        /// Bytes of a body, none if only framing came; with `isLast` the body is complete.
        case body(ByteBuffer, isLast: Bool)
        /// No acceptable request; everything that follows is discarded.
        case refused(HTTP1Error)
        /// A body whose framing is broken; everything that follows is discarded.
        case broken(HTTP1Error)
    }

    /// Input that may wait while an exchange is busy; beyond it reading stops.
    private static let waitingLimit = 64 << 10

    private(set) var place = Place.head
    private var parser = RequestParser()
    private var buffered = ByteBuffer()

    /// Whether no byte waits.
    var isEmpty: Bool { buffered.readableBytes == 0 }
    /// Whether so much waits that no more should be read.
    var isFull: Bool { buffered.readableBytes > Self.waitingLimit }
    /// Whether the present request has been received to its end.
    var isRequestComplete: Bool {
        switch place {
        case .head, .done: true
        case .length, .chunked, .discarding: false
        }
    }

    mutating func append(_ bytes: ByteBuffer) {
        if buffered.readableBytes == 0 { buffered = bytes } else { buffered.writeImmutableBuffer(bytes) }
    }

    /// Goes on to the next request.
    mutating func startOver() { place = .head }

    /// Throws away what waits and all that comes.
    mutating func discard() {
        place = .discarding
        buffered = ByteBuffer()
    }

    /// Takes the next step that the bytes allow.
    mutating func next() -> Step {
        switch place {
        case .discarding:
            buffered = ByteBuffer()
            return .wait
        case .done: return .wait
        case .head: return takeHead()
        case .length(let remaining):
            let count = min(remaining, buffered.readableBytes)
            guard count > 0, let part = buffered.readSlice(length: count) else { return .wait }
            place = remaining > count ? .length(remaining: remaining - count) : .done
            return .body(part, isLast: remaining == count)
        case .chunked(let follower): return takeChunks(follower)
        }
    }

    private mutating func takeHead() -> Step {
        let head: RequestHead?
        do {
            head = try parser.parse(&buffered)
        } catch {
            discard()
            return .refused(error)
        }
        guard let head else { return .wait }
        switch head.framing {
        case .none, .untilClose, .length(0): place = .done
        case .length(let count): place = .length(remaining: count)
        case .chunked: place = .chunked(BodyFollower(.chunked))
        }
        return .head(head)
    }

    private mutating func takeChunks(_ follower: BodyFollower) -> Step {
        guard buffered.readableBytes > 0 else { return .wait }
        var follower = follower
        var payload = ByteBuffer()
        let progress: BodyFollower.Progress
        do {
            progress = try buffered.withUnsafeReadableBytes { bytes throws(HTTP1Error) in
                try follower.follow(bytes) { payload.writeBytes($0) }
            }
        } catch {
            discard()
            return .broken(error)
        }
        buffered.moveReaderIndex(forwardBy: progress.consumed)
        place = progress.isComplete ? .done : .chunked(follower)
        guard progress.isComplete || progress.consumed > 0 else { return .wait }
        return .body(payload, isLast: progress.isComplete)
    }
}
