package import GatewayCore

/// A Lua script: sent once per connection, called by its digest from then on.
@WorkerLoop
package final class RedisScript {
    private let source: String
    /// What Redis calls the script; nil until it has said so.
    private var digest: String?

    package init(_ source: String) { self.source = source }

    /// The command that makes Redis know the script.
    var load: RedisCommand { RedisCommand("SCRIPT", "LOAD", source) }

    /// Takes Redis' answer to `load`.
    ///
    /// A refusal is no failure: the script is then sent whole with each call.
    func loaded(_ reply: RedisReply) {
        if case .error = reply { digest = nil } else { digest = reply.text }
    }

    /// Runs the script in one round trip; a Redis that has forgotten it gets it once more, which makes two.
    ///
    /// - Parameter operands: appends the number of keys, the keys, and the arguments.
    func run(
        on connection: RedisConnection, _ operands: @escaping @WorkerLoop (inout RedisCommand) -> Void,
        _ completion: @escaping @WorkerLoop (RedisReply?) -> Void
    ) {
        guard let digest else { return connection.send(whole(operands), completion) }
        var command = RedisCommand("EVALSHA", digest)
        operands(&command)
        connection.send(command) { reply in
            if case .error = reply, reply?.errorCode == "NOSCRIPT" {
                connection.send(self.whole(operands), completion)
            } else {
                completion(reply)
            }
        }
    }

    private func whole(_ operands: @WorkerLoop (inout RedisCommand) -> Void) -> RedisCommand {
        var command = RedisCommand("EVAL", source)
        operands(&command)
        return command
    }
}
