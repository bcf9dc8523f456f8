import GatewayCore
import NIOCore

/// Puts an answer into its entry and ends the lease under which it was fetched (`GateScripts.keep`).
@WorkerLoop
final class KeepCall: ScriptCall {
    let script: RedisScript
    let connection: RedisConnection
    var naming = RedisScript.Naming.byDigest
    let place: AnswerPlace
    let lease: LeaseToken?
    private let store: RedisAnswerStore
    private let answer: KeptAnswer
    private let milliseconds: Int
    private let entryLength: Int
    private let keys: AnswerKeys

    init(
        _ script: RedisScript, on connection: RedisConnection, _ store: RedisAnswerStore, _ answer: KeptAnswer,
        at place: AnswerPlace, milliseconds: Int, lease: LeaseToken?
    ) {
        self.script = script
        self.connection = connection
        self.store = store
        self.answer = answer
        self.place = place
        self.milliseconds = milliseconds
        self.lease = lease
        entryLength = StoredAnswer.length(answer)
        keys = AnswerKeys(place)
    }

    /// Payload bytes that are on their way.
    var held: Int { answer.payload.readableBytes }

    var operands: Int { 7 }

    var operandBytes: Int {
        8 * RawWriter.argumentOverhead + 3 * keys.longest + (lease?.text.utf8.count ?? 0) + entryLength
    }

    func write(into out: inout RawWriter) {
        out.argument(3)
        keys.write(.entry, into: &out)
        keys.write(.lease, into: &out)
        keys.write(.live, into: &out)
        out.argument(lease?.text ?? "")
        out.argument(milliseconds)
        out.argument(length: entryLength)
        StoredAnswer.write(answer, into: &out)
        out.endLine()
    }

    func finish(_ reply: RedisReply?) { store.kept(self, reply) }
}
