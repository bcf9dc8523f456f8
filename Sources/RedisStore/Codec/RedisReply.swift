package import NIOCore

/// What Redis answered to one command.
package enum RedisReply: Sendable, Equatable {
    /// `OK`, `PONG`.
    case status(String)
    case integer(Int)
    case bytes(ByteBuffer)
    case array([RedisReply])
    case null
    /// Redis refused the command: `WRONGTYPE …`, `NOSCRIPT …`.
    case error(String)

    /// The text of a status or of bytes; nil for everything else.
    package var text: String? {
        switch self {
        case .status(let text): text
        case .bytes(let buffer): String(buffer: buffer)
        default: nil
        }
    }

    /// The first word of an error, by which errors are told apart: `NOSCRIPT`, `LOADING`, `MOVED`.
    package var errorCode: String? {
        guard case .error(let message) = self else { return nil }
        return String(message.prefix { $0 != " " })
    }
}
