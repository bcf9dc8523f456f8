package import NIOCore

/// A request's payload on its way from a client to a provider: bounded, replayable from the start while it is small.
///
/// One producer appends, one consumer at a time takes. What was handed over is kept for a repeated attempt as long as
/// the whole body so far fits `replayLimit`, or as long as somebody waits for all of it; beyond that `canReplay` turns
/// false and only the unconsumed rest is kept.
@WorkerLoop
package final class RequestBody {
    package enum State: Equatable, Sendable { case open, complete, failed }

    /// Most bytes that are kept for another attempt.
    package let replayLimit: Int
    /// Above this many unconsumed bytes the producer is asked to pause.
    package let highWaterMark: Int

    package private(set) var state: State
    /// Payload bytes appended so far.
    package private(set) var received = 0
    package private(set) var canReplay = true
    private var kept: [ByteBuffer] = []
    private var keptBytes = 0
    /// How many of `kept` the present consumer has taken.
    private var taken = 0
    private var pending = 0
    private var wake: (@WorkerLoop () -> Void)?
    private var demand: (@WorkerLoop (_ wanted: Bool) -> Void)?
    private var isPaused = false
    /// Whether the last piece is a buffer of our own, which may grow.
    private var hasOwnTail = false
    /// Pieces below this size, or a small part of a large buffer, are copied instead of kept where they were read.
    private static let crumb = 1024
    private static let tailLimit = 16 << 10

    package init(replayLimit: Int = 1 << 20, highWaterMark: Int = 256 << 10) {
        self.replayLimit = replayLimit
        self.highWaterMark = highWaterMark
        state = .open
    }

    /// A body that is already complete; an empty buffer makes an empty body.
    package convenience init(complete bytes: ByteBuffer) {
        self.init(replayLimit: .max)
        if bytes.readableBytes > 0 { append(bytes) }
        finish()
    }

    // MARK: Producer

    /// Called with false when the producer should stop reading and with true when it may go on.
    package func onDemandChange(_ action: (@WorkerLoop (_ wanted: Bool) -> Void)?) { demand = action }

    package func append(_ bytes: ByteBuffer) {
        guard state == .open, bytes.readableBytes > 0 else { return }
        received += bytes.readableBytes
        keep(bytes)
        keptBytes += bytes.readableBytes
        pending += bytes.readableBytes
        if canReplay, keptBytes > replayLimit, !waitsForWhole { canReplay = false }
        if !canReplay { dropTaken() }
        wake?()
        if pending > highWaterMark, !isPaused, !waitsForWhole {
            isPaused = true
            demand?(false)
        }
    }

    /// Keeps a piece without pinning more memory than it has bytes: what comes in crumbs is put together.
    private func keep(_ bytes: ByteBuffer) {
        guard bytes.readableBytes < Self.crumb || bytes.isWasteful, received > bytes.readableBytes else {
            hasOwnTail = false
            return kept.append(bytes)
        }
        if hasOwnTail, taken < kept.count, let last = kept.indices.last, kept[last].readableBytes < Self.tailLimit {
            kept[last].writeImmutableBuffer(bytes)
        } else {
            var tail = ByteBuffer()
            tail.writeImmutableBuffer(bytes)
            kept.append(tail)
        }
        hasOwnTail = true
    }

    package func finish() {
        guard state == .open else { return }
        state = .complete
        wake?()
    }

    /// The client went away or broke the framing before the body was complete.
    package func fail() {
        guard state == .open else { return }
        state = .failed
        wake?()
    }

    // MARK: Consumer

    /// Whether a stage reads the whole body before anything is sent, so the producer must not pause.
    package var waitsForWhole = false {
        didSet {
            guard waitsForWhole, isPaused else { return }
            isPaused = false
            demand?(true)
        }
    }

    /// Starts over from the first byte for a new consumer and calls `wake` whenever there is something new.
    ///
    /// - Precondition: `canReplay`, or nothing was taken yet.
    package func rewind(wake: @escaping @WorkerLoop () -> Void) {
        precondition(canReplay || taken == 0, "the start of this body is gone")
        taken = 0
        pending = keptBytes
        self.wake = wake
    }

    /// Ends the consumer's interest.
    package func detach() { wake = nil }

    /// The next bytes, or nil when there are none now; `state` then tells whether there will be.
    package func next() -> ByteBuffer? {
        guard taken < kept.count else { return nil }
        let bytes = kept[taken]
        taken += 1
        pending -= bytes.readableBytes
        if !canReplay { dropTaken() }
        if isPaused, pending < highWaterMark / 2 {
            isPaused = false
            demand?(true)
        }
        return bytes
    }

    /// Whether every byte that was appended has been taken.
    package var isDrained: Bool { taken == kept.count }

    /// The whole payload in one buffer once `state` is complete and nothing was dropped; nil before.
    package func whole() -> ByteBuffer? {
        guard state == .complete, keptBytes == received else { return nil }
        if kept.count == 1 { return kept[0] }
        var all = ByteBuffer()
        all.reserveCapacity(keptBytes)
        for part in kept { all.writeImmutableBuffer(part) }
        kept = all.readableBytes > 0 ? [all] : []
        taken = 0
        return all
    }

    /// Forgets a payload that was read as a whole and is not needed again.
    package func drop() {
        kept = []
        keptBytes = 0
        taken = 0
        pending = 0
        canReplay = false
    }

    /// The whole payload for somebody who only looks at it, wherever its consumer is; nil when it is not all here.
    package var copy: ByteBuffer? {
        guard state == .complete, keptBytes == received, let first = kept.first else { return nil }
        guard kept.count > 1 else { return first }
        var all = ByteBuffer()
        all.reserveCapacity(keptBytes)
        for part in kept { all.writeImmutableBuffer(part) }
        return all
    }

    private func dropTaken() {
        guard taken > 0 else { return }
        for part in kept[..<taken] { keptBytes -= part.readableBytes }
        kept.removeFirst(taken)
        taken = 0
    }
}
