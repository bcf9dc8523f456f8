import GatewayCore
import NIOCore

/// Puts an answer into its entry, over the lease under which it was fetched.
///
/// Whoever holds the lease by now loses nothing: the answer is there for all who follow.
@WorkerLoop
final class KeepCall: RedisOperation {
    private let store: RedisAnswerStore
    let place: AnswerPlace
    let lease: LeaseToken?
    let answer: KeptAnswer
    private let milliseconds: Int
    private let entryLength: Int
    private let key: PreparedKey

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
        key = operands.key
    }

    /// Payload bytes that are on their way.
    var held: Int { answer.payload.readableBytes }

    var size: Int { RawWriter.commandOverhead + 4 * RawWriter.argumentOverhead + key.length + entryLength }

    func write(into buffer: inout ByteBuffer) -> Bool {
        buffer.compose(capacity: size) { out in
            out.command(of: 5)
            out.argument("SET")
            key.write(AnswerKeys.Digest(place.key), into: &out)
            out.argument(length: entryLength)
            StoredAnswer.write(answer, into: &out)
            out.endLine()
            out.argument("PX")
            out.argument(milliseconds)
        }
        return true
    }

    func take(_ reply: RedisReply?) { store.kept(self, reply) }
}
