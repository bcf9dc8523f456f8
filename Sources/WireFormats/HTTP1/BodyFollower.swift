package import GatewayCore

/// Follows a message body to its end without re-framing it: the bytes can be passed on as they are.
///
/// A value: copying it copies the position. After an error it is of no use, and neither is the connection.
/// - Source: RFC 9112 §6 and §7.1 · documented
/// - Limit: a chunk size of at most 16 digits, `ChunkedBody.extensionLimit` per chunk, `ChunkedBody.trailerLimit`
///   for the trailer section.
package struct BodyFollower: Sendable {
    /// How far one call went.
    package struct Progress: Equatable, Sendable {
        /// Bytes that belong to this body; the rest belongs to the next message.
        package var consumed: Int
        /// Whether the body has ended.
        package var isComplete: Bool

        package init(consumed: Int, isComplete: Bool) {
            self.consumed = consumed
            self.isComplete = isComplete
        }
    }

    private enum State {
        case complete
        case counted(left: Int)
        case chunked
        case untilClose
    }

    private var state: State
    private var chunks = ChunkedBody()

    /// A follower at the start of a body that is framed like this.
    package init(_ framing: BodyFraming) {
        switch framing {
        case .none: state = .complete
        case .length(let length): state = length > 0 ? .counted(left: length) : .complete
        case .chunked: state = .chunked
        case .untilClose: state = .untilClose
        }
    }

    /// Whether the body has ended; true at once for a message without one, never for a body that ends with its
    /// connection.
    package var isComplete: Bool {
        if case .complete = state { true } else { false }
    }

    /// Whether the body carried chunk extensions or trailer fields so far, which must not be passed on unread.
    package var sawExtensionOrTrailer: Bool { chunks.sawExtensionOrTrailer }

    /// Walks `bytes` from their start and calls `payload` for each run of payload bytes, in order.
    ///
    /// - Parameter omissible: called for runs of bytes that belong to chunk extensions and trailer fields, in order;
    ///   without them the body is framed as well as with them.
    package mutating func follow(
        _ bytes: UnsafeRawBufferPointer, payload: (UnsafeRawBufferPointer) -> Void,
        omissible: (Range<Int>) -> Void = { _ in }
    ) throws(HTTP1Error) -> Progress {
        switch state {
        case .complete:
            return Progress(consumed: 0, isComplete: true)
        case .counted(let left):
            let taken = min(left, bytes.count)
            if taken > 0 { payload(UnsafeRawBufferPointer(rebasing: bytes[..<taken])) }
            state = taken == left ? .complete : .counted(left: left - taken)
            return Progress(consumed: taken, isComplete: taken == left)
        case .chunked:
            let consumed = try chunks.follow(bytes, payload: payload, omissible: omissible)
            if chunks.isComplete { state = .complete }
            return Progress(consumed: consumed, isComplete: chunks.isComplete)
        case .untilClose:
            if !bytes.isEmpty { payload(bytes) }
            return Progress(consumed: bytes.count, isComplete: false)
        }
    }

    /// Takes note that the connection has ended, which only some bodies survive.
    package mutating func finish() throws(HTTP1Error) {
        switch state {
        case .complete, .untilClose: state = .complete
        case .counted, .chunked: throw .unexpectedEnd
        }
    }
}
