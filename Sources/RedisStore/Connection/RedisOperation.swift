package import GatewayCore
package import NIOCore

/// Something that is asked of Redis: one object from the command's first byte to its answer.
@WorkerLoop
package protocol RedisOperation: AnyObject {
    /// About how many bytes it sends.
    var size: Int { get }

    /// Appends the command in Redis' protocol; false, and nothing, when there is none.
    func write(into buffer: inout ByteBuffer) -> Bool

    /// Redis' answer, or nil when it is unavailable; called exactly once for each time it was sent.
    func take(_ reply: RedisReply?)
}

/// A command whose answer goes to a function.
@WorkerLoop
final class CommandOperation: RedisOperation {
    private let command: RedisCommand
    private let completion: @WorkerLoop (RedisReply?) -> Void

    init(_ command: RedisCommand, _ completion: @escaping @WorkerLoop (RedisReply?) -> Void) {
        self.command = command
        self.completion = completion
    }

    var size: Int { command.size }

    func write(into buffer: inout ByteBuffer) -> Bool { command.write(into: &buffer) }

    func take(_ reply: RedisReply?) { completion(reply) }
}
