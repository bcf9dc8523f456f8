import GatewayCore
import NIOCore
import Providers

/// A whole translated answer, in the shape of a provider's.
@WorkerLoop
final class WrittenReply: TranslatedReply {
    let head: ResponseHead
    let usage: UsageReader?
    private var payload: ByteBuffer?

    init(_ head: ResponseHead, _ payload: ByteBuffer, _ usage: UsageReader?) {
        self.head = head
        self.payload = payload
        self.usage = usage
    }

    func relay(to sink: any ReplySink) {
        guard let payload else { return }
        self.payload = nil
        payload.withUnsafeReadableBytes { sink.observe($0) }
        sink.receive(payload, isLast: true)
    }

    func setReading(_ reading: Bool) {}

    func cancel() { payload = nil }
}
