import GatewayCore
package import NIOCore

/// One command with its arguments, which may hold any bytes.
package struct RedisCommand: Sendable, Equatable {
    /// All arguments, as they are sent.
    private(set) var arguments = ByteBuffer()
    private(set) var count = 0

    package init(_ words: String...) {
        for word in words { append(word) }
    }

    package mutating func append(_ text: String) {
        append(atMost: text.utf8.count) { $0.argument(text) }
    }

    package mutating func append(_ number: Int) { append(atMost: 20) { $0.argument(number) } }

    package mutating func append(_ buffer: ByteBuffer) {
        append(atMost: buffer.readableBytes) { $0.argument(buffer) }
    }

    mutating func append(_ key: AnswerKeys.Part, of keys: AnswerKeys) {
        append(atMost: keys.longest) { keys.write(key, into: &$0) }
    }

    private mutating func append(atMost length: Int, _ write: (inout RawWriter) -> Void) {
        arguments.compose(capacity: length + RawWriter.argumentOverhead, write)
        count += 1
    }

    /// Bytes of all arguments together, with what separates them.
    package var size: Int { arguments.readableBytes }

    /// Appends the command in Redis' protocol; false, and nothing, when it has not even a name.
    package func write(into buffer: inout ByteBuffer) -> Bool {
        guard count > 0 else { return false }
        buffer.compose(capacity: RawWriter.commandOverhead) { $0.command(of: count) }
        buffer.writeImmutableBuffer(arguments)
        return true
    }
}
