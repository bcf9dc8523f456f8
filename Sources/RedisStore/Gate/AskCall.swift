import GatewayCore
import NIOCore

/// The question that a request asks before its provider is called (`GateScripts.ask`).
@WorkerLoop
final class AskCall: ScriptCall {
    let store: RedisAnswerStore
    var naming = RedisScript.Naming.byDigest
    private let operandsOfGateway: GatewayOperands
    private let limits: PreparedLimits
    private let lease: LeaseToken?
    private let use: Int
    private let digest: AnswerKeys.Digest?
    private let then: @WorkerLoop (StoreVerdict) -> Void

    init(
        _ store: RedisAnswerStore, _ question: StoreQuestion, _ operands: GatewayOperands,
        _ then: @escaping @WorkerLoop (StoreVerdict) -> Void
    ) {
        self.store = store
        self.then = then
        operandsOfGateway = operands
        limits = operands.limits(question.limits, leaseLife: store.leaseLife)
        if let lookup = question.lookup, lookup.asks {
            use = (lookup.reading == .read ? 1 : 0) + (lookup.lease == nil ? 0 : 2)
            digest = AnswerKeys.Digest(lookup.key)
            lease = lookup.lease
        } else {
            use = 0
            digest = nil
            lease = nil
        }
    }

    var script: RedisScript { store.scripts.ask }

    var operands: Int { 4 + (digest == nil ? 0 : 1) + limits.rules.count * 4 }

    var operandBytes: Int {
        3 * RawWriter.argumentOverhead + (lease?.text.utf8.count ?? 0)
            + (digest == nil ? 0 : operandsOfGateway.key.length) + limits.keys.readableBytes
            + limits.arguments.readableBytes
    }

    func write(into out: inout RawWriter) {
        out.argument((digest == nil ? 0 : 1) + limits.rules.count)
        if let digest { operandsOfGateway.key.write(digest, into: &out) }
        unsafe limits.keys.withUnsafeReadableBytes { unsafe out.write($0) }
        out.argument(use)
        out.argument(lease?.text ?? "")
        unsafe limits.arguments.withUnsafeReadableBytes { unsafe out.write($0) }
    }

    func finish(_ reply: RedisReply?) { then(store.verdict(reply)) }
}

extension StoreQuestion {
    /// Whether there is anything to ask: who neither reads, leases nor is limited is admitted without Redis.
    var asks: Bool { !limits.isEmpty || lookup?.asks == true }
}

extension StoreQuestion.Lookup {
    fileprivate var asks: Bool { reading == .read || lease != nil }
}
