package import GatewayCore
import NIOCore

/// A Lua script: sent once per connection, called by its digest from then on.
@WorkerLoop
package final class RedisScript {
    package let source: String
    /// The arguments that call the script by the digest which Redis has given it; nil until it has.
    private var byDigest: ByteBuffer?

    package init(_ source: String) { self.source = source }

    /// The command that makes Redis know the script.
    var load: RedisCommand { RedisCommand("SCRIPT", "LOAD", source) }

    /// Takes Redis' answer to `load`.
    ///
    /// A refusal is no failure: the script is then sent whole with each call.
    func loaded(_ reply: RedisReply) {
        if case .error = reply {
            byDigest = nil
        } else {
            byDigest = reply.text.map { RedisCommand("EVALSHA", $0).arguments }
        }
    }

    /// How a script is named in a call.
    enum Naming { case byDigest, bySource }

    /// The two arguments that every call begins with.
    func naming(_ naming: Naming) -> ByteBuffer {
        if naming == .byDigest, let byDigest { return byDigest }
        return RedisCommand("EVAL", source).arguments
    }
}
