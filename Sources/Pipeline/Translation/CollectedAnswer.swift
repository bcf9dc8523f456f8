import GatewayCore
import NIOCore

/// Takes in a whole answer that has to be complete before it can be used.
///
/// - Limit: `limit` bytes, and together with whole request bodies what the worker may hold of them.
@WorkerLoop
final class CollectedAnswer: ReplySink {
    private(set) var bytes = ByteBuffer()
    private let environment: WorkerEnvironment
    private let limit: Int
    private var held = 0
    private var reply: (any UpstreamReply)?
    private var failure: GatewayError?
    private var isOver = false
    private var waiter: CheckedContinuation<Void, Never>?

    init(environment: WorkerEnvironment, limit: Int = Translate.limit) {
        self.environment = environment
        self.limit = limit
    }

    /// Returns when all of the answer is there; afterwards the reply is not usable.
    func read(_ reply: any UpstreamReply, _ cancel: CancelHook) async throws(GatewayError) {
        self.reply = reply
        cancel.onCancel { [weak self] in
            self?.giveUp(GatewayError(.providerUnreachable, origin: .client, detail: "cancelled"))
        }
        if !isOver { reply.relay(to: self) }
        if !isOver { await withCheckedContinuation { waiter = $0 } }
        cancel.onCancel(nil)
        self.reply = nil
        if let failure { throw failure }
    }

    /// Gives the memory back to the worker's allowance.
    func release() {
        environment.wholeBodies.giveBack(held)
        held = 0
        bytes = ByteBuffer()
    }

    /// Leaves the memory counted, for whoever goes on holding the bytes; answers how much it is.
    func keep() -> Int {
        let kept = held
        held = 0
        return kept
    }

    func observe(_ payload: UnsafeRawBufferPointer) {
        guard !isOver else { return }
        guard bytes.readableBytes + payload.count <= limit else {
            return giveUp(
                GatewayError(.unparsableModelOutput, origin: .provider, detail: "the answer is too long")
            )
        }
        guard environment.wholeBodies.take(payload.count) else {
            return giveUp(
                GatewayError(.notReady, origin: .gateway, detail: "memory for whole answers is used up")
            )
        }
        held += payload.count
        bytes.writeBytes(payload)
    }

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        if isLast { end() } else if isOver { reply?.cancel() }
    }

    func fail(_ error: GatewayError) {
        if !isOver { failure = error }
        end()
    }

    private func giveUp(_ error: GatewayError) {
        guard !isOver else { return }
        failure = error
        // The reply is in the middle of handing bytes over where it is not the client who gave up.
        if error.origin == .client { reply?.cancel() }
        end()
    }

    private func end() {
        isOver = true
        waiter?.resume()
        waiter = nil
    }
}
