import GatewayCore
import NIOCore

/// Puts an answer into its entry and ends the lease under which it was fetched (`GateScripts.keep`).
@WorkerLoop
final class KeepCall: ScriptCall {
    let store: RedisAnswerStore
    var naming = RedisScript.Naming.byDigest
    let place: AnswerPlace
    let lease: LeaseToken?
    private let answer: KeptAnswer
    private let milliseconds: Int
    private let entryLength: Int
    private let keys: PreparedKeys
    private let digest: AnswerKeys.Digest

    init(
        _ store: RedisAnswerStore, _ answer: KeptAnswer, at place: AnswerPlace, _ operands: GatewayOperands,
        milliseconds: Int, lease: LeaseToken?
    ) {
        self.store = store
        self.answer = answer
        self.place = place
        self.milliseconds = milliseconds
        self.lease = lease
        entryLength = StoredAnswer.length(answer)
        keys = operands.keys
        digest = AnswerKeys.Digest(place.key)
    }

    var script: RedisScript { store.scripts.keep }

    /// Payload bytes that are on their way.
    var held: Int { answer.payload.readableBytes }

    var operands: Int { 7 }

    var operandBytes: Int {
        4 * RawWriter.argumentOverhead + keys.length + (lease?.text.utf8.count ?? 0) + entryLength
    }

    func write(into out: inout RawWriter) {
        out.argument(3)
        keys.write(digest, into: &out)
        out.argument(lease?.text ?? "")
        out.argument(milliseconds)
        out.argument(length: entryLength)
        StoredAnswer.write(answer, into: &out)
        out.endLine()
    }

    func finish(_ reply: RedisReply?) { store.kept(self, reply) }
}
