import GatewayCore
import NIOCore
import Providers

/// A whole answer of the gateway's own writing, in the shape of a provider's.
///
/// It is handed on as fast as its reader takes it; as long as more than a portion waits, it counts among the bodies that
/// the worker holds as a whole.
@WorkerLoop
final class WrittenReply: TranslatedReply {
    let head: ResponseHead
    let usage: UsageReader?
    private let memory: HeldBytes
    private var held = 0
    /// Nil once everything was handed on or given up.
    private var rest: ByteBuffer?
    private var sink: (any ReplySink)?
    private var isReading = true
    private var isPlaying = false

    /// Most bytes that a reader is handed before its appetite is looked at again.
    private static let portion = 64 << 10

    /// - Parameter memory: what the worker may hold of bodies as a whole.
    /// - Errors: `.notReady` when that is used up.
    init(
        _ head: ResponseHead, _ payload: ByteBuffer, _ usage: UsageReader? = nil, in memory: HeldBytes
    ) throws(GatewayError) {
        self.head = head
        self.usage = usage
        self.memory = memory
        rest = payload
        guard payload.readableBytes > Self.portion else { return }
        guard memory.take(payload.readableBytes) else {
            throw GatewayError(.notReady, origin: .gateway, detail: "memory for whole answers is used up")
        }
        held = payload.readableBytes
    }

    deinit {
        // Whoever holds an answer lives on the loop.
        let memory = memory
        let held = held
        if held > 0 { WorkerLoop.onLoop { memory.giveBack(held) } }
    }

    func relay(to sink: any ReplySink) {
        guard rest != nil else { return }
        self.sink = sink
        play()
    }

    func setReading(_ reading: Bool) {
        isReading = reading
        if reading { play() }
    }

    func cancel() { letGo() }

    private func letGo() {
        rest = nil
        sink = nil
        memory.giveBack(held)
        held = 0
    }

    private func play() {
        guard !isPlaying else { return }
        isPlaying = true
        defer { isPlaying = false }
        while isReading, let sink, let left = rest?.readableBytes,
            let part = rest?.readSlice(length: min(Self.portion, left))
        {
            let isLast = part.readableBytes == left
            if part.readableBytes > 0 { part.withUnsafeReadableBytes { sink.observe($0) } }
            if isLast { letGo() }
            sink.receive(part.inOwnMemory, isLast: isLast)
        }
    }
}
