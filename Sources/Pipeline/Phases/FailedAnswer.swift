import GatewayCore
import NIOCore

/// Takes in the answer of a step that failed, as far as its log entry shows it.
@WorkerLoop
final class FailedAnswer: ReplySink {
    /// Bytes of a failed step's answer that are waited for and kept.
    static let limit = 64 << 10
    /// How long the rest of a failed step's answer is waited for.
    static let patience = Duration.seconds(1)

    private(set) var bytes = ByteBuffer()
    private(set) var received = 0
    private(set) var isWhole = false
    private var waiter: CheckedContinuation<Void, Never>?
    private var isOver = false

    /// Reads the answer to its end, its limit or the end of patience; the reply is not usable afterwards.
    func read(_ reply: any UpstreamReply, timers: any Timers) async {
        let timer = timers.after(Self.patience) { [weak self] in self?.end() }
        reply.relay(to: self)
        if !isOver { await withCheckedContinuation { waiter = $0 } }
        timer.cancel()
        if !isWhole { reply.cancel() }
    }

    func observe(_ payload: UnsafeRawBufferPointer) {
        received += payload.count
        let room = Self.limit - bytes.readableBytes
        bytes.writeBytes(UnsafeRawBufferPointer(rebasing: payload.prefix(max(room, 0))))
    }

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        if isLast { isWhole = received <= Self.limit }
        if isLast || received > Self.limit { end() }
    }

    func fail(_ error: GatewayError) { end() }

    private func end() {
        isOver = true
        waiter?.resume()
        waiter = nil
    }
}
