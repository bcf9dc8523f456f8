import GatewayCore
import NIOCore

/// The question that a request asks before its provider is called (`GateScripts.ask`).
@WorkerLoop
final class AskCall: ScriptCall {
    let script: RedisScript
    let connection: RedisConnection
    var naming = RedisScript.Naming.byDigest
    private let store: RedisAnswerStore
    private let question: StoreQuestion
    private let use: Int
    private let answerKeys: AnswerKeys?
    private let then: @WorkerLoop (StoreVerdict) -> Void

    init(
        _ script: RedisScript, on connection: RedisConnection, _ store: RedisAnswerStore, _ question: StoreQuestion,
        _ then: @escaping @WorkerLoop (StoreVerdict) -> Void
    ) {
        self.script = script
        self.connection = connection
        self.store = store
        self.question = question
        self.then = then
        let lookup = question.lookup
        let use = lookup.map { ($0.reading == .read ? 1 : 0) + ($0.lease == nil ? 0 : 2) } ?? 0
        self.use = use
        answerKeys = use == 0 ? nil : lookup.map { AnswerKeys(question.account, question.gateway, $0.key) }
    }

    var operands: Int { 4 + (answerKeys == nil ? 0 : 3) + question.limits.count * 4 }

    var operandBytes: Int {
        var most = 6 * RawWriter.argumentOverhead + store.leaseLife.utf8.count
        if let answerKeys { most += 3 * (RawWriter.argumentOverhead + answerKeys.longest) }
        if let lease = question.lookup?.lease { most += lease.text.utf8.count }
        for rule in question.limits {
            most += Keys(question.account, question.gateway).longest(rule) + 4 * RawWriter.argumentOverhead + 64
        }
        return most
    }

    func write(into out: inout RawWriter) {
        out.argument((answerKeys == nil ? 0 : 3) + question.limits.count)
        if let answerKeys {
            answerKeys.write(.entry, into: &out)
            answerKeys.write(.lease, into: &out)
            answerKeys.write(.live, into: &out)
        }
        if !question.limits.isEmpty {
            let keys = Keys(question.account, question.gateway)
            for rule in question.limits { keys.write(rule, into: &out) }
        }
        out.argument(use)
        out.argument(question.lookup?.lease?.text ?? "")
        out.argument(store.leaseLife)
        for rule in question.limits {
            out.argument(rule.technique.rawValue)
            out.argument(max(rule.limit, 1))
            out.argument(max(rule.interval, 1) * 1_000_000)
        }
    }

    func finish(_ reply: RedisReply?) { then(store.verdict(reply)) }
}
