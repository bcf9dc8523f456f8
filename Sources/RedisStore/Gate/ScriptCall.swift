import GatewayCore
import NIOCore

/// One call of a script: a round trip, or two when Redis has forgotten the script and gets it once more.
@WorkerLoop
protocol ScriptCall: RedisOperation {
    var store: RedisAnswerStore { get }
    var script: RedisScript { get }
    var naming: RedisScript.Naming { get set }
    /// How many operands there are: the number of keys, the keys and the arguments.
    var operands: Int { get }
    /// Most bytes that `write` needs for them.
    var operandBytes: Int { get }
    func write(into out: inout RawWriter)
    /// The script's result, an error, or nil when Redis is unavailable.
    func finish(_ reply: RedisReply?)
}

extension ScriptCall {
    package var size: Int { operandBytes }

    package func write(into buffer: inout ByteBuffer) -> Bool {
        let name = script.naming(naming)
        buffer.compose(capacity: RawWriter.commandOverhead + name.readableBytes + operandBytes) { out in
            out.command(of: 2 + operands)
            unsafe name.withUnsafeReadableBytes { unsafe out.write($0) }
            write(into: &out)
        }
        return true
    }

    package func take(_ reply: RedisReply?) {
        if naming == .byDigest, case .error = reply, reply?.errorCode == "NOSCRIPT" {
            naming = .bySource
            store.connection.send(self)
        } else {
            finish(reply)
        }
    }
}

/// A call whose operands are given and whose result goes to a function.
@WorkerLoop
final class PreparedCall: ScriptCall {
    let store: RedisAnswerStore
    let script: RedisScript
    var naming = RedisScript.Naming.byDigest
    private let given: RedisCommand
    private let completion: @WorkerLoop (RedisReply?) -> Void

    /// - Parameter operands: a list without a command's name in front.
    init(
        _ script: RedisScript, of store: RedisAnswerStore, _ operands: RedisCommand,
        _ completion: @escaping @WorkerLoop (RedisReply?) -> Void
    ) {
        self.script = script
        self.store = store
        given = operands
        self.completion = completion
    }

    var operands: Int { given.count }
    var operandBytes: Int { given.size }

    func write(into out: inout RawWriter) {
        unsafe given.arguments.withUnsafeReadableBytes { unsafe out.write($0) }
    }

    func finish(_ reply: RedisReply?) { completion(reply) }
}
