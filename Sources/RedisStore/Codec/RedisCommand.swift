import CHiredis
package import NIOCore

/// One command with its arguments, which may hold any bytes.
package struct RedisCommand: Sendable, Equatable {
    /// All arguments, one after the other.
    private var bytes: [UInt8] = []
    /// Where each argument ends in `bytes`.
    private var ends: [Int] = []

    package init(_ words: String...) {
        for word in words { append(word) }
    }

    package mutating func append(_ text: String) {
        bytes.append(contentsOf: text.utf8)
        ends.append(bytes.count)
    }

    package mutating func append(_ number: Int) { append(String(number)) }

    package mutating func append(_ buffer: ByteBuffer) {
        bytes.append(contentsOf: buffer.readableBytesView)
        ends.append(bytes.count)
    }

    /// Bytes of all arguments together.
    package var size: Int { bytes.count }

    /// Appends the command in Redis' protocol; false when hiredis cannot form it (no memory, no argument).
    package func write(into buffer: inout ByteBuffer) -> Bool {
        guard !ends.isEmpty else { return false }
        var lengths: [Int] = []
        lengths.reserveCapacity(ends.count)
        var start = 0
        for end in ends {
            lengths.append(end - start)
            start = end
        }
        // A byte behind the last argument, so that an empty one has an address as well.
        let padded = bytes + [0]
        return unsafe padded.withUnsafeBytes { space -> Bool in
            guard let base = space.baseAddress else { return false }
            var arguments: [UnsafePointer<CChar>?] = unsafe []
            unsafe arguments.reserveCapacity(ends.count)
            var offset = 0
            for end in ends {
                unsafe arguments.append((base + offset).assumingMemoryBound(to: CChar.self))
                offset = end
            }
            var target: UnsafeMutablePointer<CChar>?
            let length = unsafe Int(redisFormatCommandArgv(&target, Int32(ends.count), &arguments, lengths))
            guard length > 0, let formed = unsafe target else { return false }
            unsafe buffer.writeBytes(UnsafeRawBufferPointer(start: formed, count: length))
            unsafe redisFreeCommand(formed)
            return true
        }
    }
}
