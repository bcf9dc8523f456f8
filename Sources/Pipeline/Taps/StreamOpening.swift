import CloudflareWire
import GatewayCore
import NIOCore
import Providers
import WireFormats

/// An event stream that is held back until it has begun, and then goes on as if nothing had been.
///
/// While it is held, it can still time out or break without the client having seen a byte of it.
@WorkerLoop
final class StreamOpening: UpstreamReply, ReplySink {
    /// Bytes that are held at most; a stream that says nothing in so many is let through.
    private static let limit = 64 << 10

    /// What a stream has to show before it counts as begun.
    enum Beginning {
        /// Any event.
        case event
        /// An event that says something to its reader (decisions 26).
        case content
    }

    private enum Result { case begun, expired, cancelled, broken(GatewayError) }

    /// One delivery: its payload, and the bytes that carried it.
    private struct Piece {
        var payload = ByteBuffer()
        var raw: ByteBuffer
        var isLast: Bool
    }

    private let reply: any UpstreamReply
    private var held: [Piece] = []
    private var heldBytes = 0
    private var payload = ByteBuffer()
    private var events: EventReader
    private let beginning: Beginning
    /// The error that the stream began with, and the event that told of it.
    private(set) var failed: (failure: StreamFailure, event: ByteBuffer)?
    private var hasBegun = false
    private var failure: GatewayError?
    private var waiter: CheckedContinuation<Result, Never>?
    private var result: Result?
    private var sink: (any ReplySink)?
    private var isReading = true
    private var isPlaying = false
    /// The sink has been told the end, or wants nothing more.
    private var isClosed = false

    init(_ reply: any UpstreamReply, _ framing: EventFraming, until beginning: Beginning) {
        self.reply = reply
        self.beginning = beginning
        events = EventReader(framing)
    }

    var head: ResponseHead { reply.head }

    /// Returns when the stream has begun.
    ///
    /// - Errors: `.requestTimedOut` when it does not in time, the provider's failure when it breaks before.
    func wait(atMost limit: Duration?, _ timers: any Timers, _ cancel: CancelHook) async throws(GatewayError) {
        let timer = limit.map { timers.after($0) { [weak self] in self?.end(.expired) } }
        cancel.onCancel { self.end(.cancelled) }
        reply.relay(to: self)
        let result: Result
        if let known = self.result {
            result = known
        } else {
            result = await withCheckedContinuation { waiter = $0 }
        }
        timer?.cancel()
        cancel.onCancel { self.reply.cancel() }
        switch result {
        case .begun: return
        case .expired:
            reply.cancel()
            throw GatewayError(
                .requestTimedOut, origin: .provider, retry: .always,
                detail: "the stream did not begin within the timeout"
            )
        case .cancelled:
            reply.cancel()
            throw GatewayError(.providerUnreachable, origin: .client, detail: "cancelled")
        case .broken(var error):
            error.retry = .always
            throw error
        }
    }

    private func end(_ result: Result) {
        guard self.result == nil else { return }
        self.result = result
        waiter?.resume(returning: result)
        waiter = nil
    }

    // MARK: From the provider

    func observe(_ bytes: UnsafeRawBufferPointer) {
        if let sink, held.isEmpty { return sink.observe(bytes) }
        payload.writeBytes(bytes)
        guard !hasBegun else { return }
        do {
            try events.feed(bytes) { name, data in note(name, data) }
        } catch {
            hasBegun = true
        }
    }

    private func note(_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) {
        guard !hasBegun else { return }
        if let failure = StreamFailure(name, data) {
            failed = (failure, ByteBuffer(bytes: data))
            hasBegun = true
        } else {
            hasBegun = beginning == .event ? data.count > 0 : EventContent.isSaid(name, data)
        }
    }

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        if let sink, held.isEmpty {
            if isLast { close() }
            return sink.receive(raw, isLast: isLast)
        }
        held.append(Piece(payload: payload, raw: raw, isLast: isLast))
        heldBytes += raw.readableBytes
        payload = ByteBuffer()
        if isLast, !hasBegun { events.finish { name, data in note(name, data) } }
        if isLast, !hasBegun, beginning == .event {
            // A stream of nothing is no answer.
            return end(
                .broken(
                    GatewayError(
                        .providerUnreachable, origin: .provider, detail: "the stream ended before its first event"
                    )
                )
            )
        }
        if isLast || heldBytes > Self.limit { hasBegun = true }
        if hasBegun {
            // Until somebody listens, nothing more is taken in.
            if sink == nil, !isLast { reply.setReading(false) }
            end(.begun)
        }
    }

    func fail(_ error: GatewayError) {
        if let sink, held.isEmpty {
            close()
            return sink.fail(error)
        }
        failure = error
        end(.broken(error))
    }

    // MARK: Towards the client

    func relay(to sink: any ReplySink) {
        guard !isClosed else { return }
        self.sink = sink
        play()
    }

    /// Lets go of the sink, which holds this reply in turn.
    private func close() {
        isClosed = true
        sink = nil
    }

    func setReading(_ reading: Bool) {
        isReading = reading
        guard sink != nil, !held.isEmpty else { return reply.setReading(reading) }
        if reading { play() }
    }

    func cancel() {
        close()
        held = []
        reply.cancel()
    }

    private func play() {
        guard !isPlaying else { return }
        isPlaying = true
        defer { isPlaying = false }
        while isReading, let sink, !held.isEmpty {
            let piece = held.removeFirst()
            piece.payload.withUnsafeReadableBytes { if $0.count > 0 { sink.observe($0) } }
            if piece.isLast { close() }
            sink.receive(piece.raw, isLast: piece.isLast)
        }
        guard let sink, held.isEmpty else { return }
        if let failure {
            close()
            return sink.fail(failure)
        }
        reply.setReading(isReading)
    }
}
