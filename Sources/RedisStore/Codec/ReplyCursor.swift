import NIOCore

/// Reads replies that lie complete in one buffer, in place.
///
/// It knows statuses, errors, integers, bytes and arrays of those. Of everything else, and of what is incomplete or
/// malformed, it has no opinion: the parser has.
struct ReplyCursor {
    /// Where the next reply begins, in the buffer's own count.
    private(set) var position: Int
    private let buffer: ByteBuffer
    private let end: Int

    /// Longest line of an integer or a length: more digits than 64 bits need.
    private static let longestNumber = 20
    /// Elements of an array that is read here.
    private static let longestArray = 64
    /// Smaller bytes are copied when they are a small part of a buffer, which would otherwise be held for them.
    private static let share = 4

    init(_ buffer: ByteBuffer) {
        self.buffer = buffer
        position = buffer.readerIndex
        end = buffer.writerIndex
    }

    /// The next reply; nil, with `position` anywhere, when it has to be left to the parser.
    mutating func reply() -> RedisReply? {
        if byte == 0x2a {
            position += 1
            guard let count = number(), count >= 0, count <= Self.longestArray else { return nil }
            var elements: [RedisReply] = []
            elements.reserveCapacity(count)
            for _ in 0..<count {
                guard let element = plain() else { return nil }
                elements.append(element)
            }
            return .array(elements)
        }
        return plain()
    }

    private mutating func plain() -> RedisReply? {
        guard let kind = byte else { return nil }
        position += 1
        switch kind {
        case 0x3a: return number().map { .integer($0) }
        case 0x24:
            guard let length = number() else { return nil }
            if length == -1 { return .null }
            guard length >= 0, length <= end - position - 2, let bytes = bytes(length) else { return nil }
            position += length
            guard isLineEnd else { return nil }
            position += 2
            return .bytes(bytes)
        case 0x2b: return text().map { .status($0) }
        case 0x2d: return text().map { .error($0) }
        default: return nil
        }
    }

    private var byte: UInt8? { position < end ? buffer.getInteger(at: position) : nil }

    private var isLineEnd: Bool { buffer.getInteger(at: position, as: UInt16.self) == 0x0d0a && position + 2 <= end }

    private func bytes(_ length: Int) -> ByteBuffer? {
        guard let slice = buffer.getSlice(at: position, length: length) else { return nil }
        guard length < buffer.storageCapacity / Self.share else { return slice }
        return unsafe slice.withUnsafeReadableBytes { unsafe ByteBuffer(bytes: $0) }
    }

    /// A number and the end of its line.
    private mutating func number() -> Int? {
        let start = position
        var isNegative = false
        if byte == 0x2d {
            isNegative = true
            position += 1
        }
        var value = 0
        var digits = 0
        while let digit = byte, digit &- 0x30 < 10 {
            guard digits < Self.longestNumber - 2 else { return nil }
            value = value * 10 + Int(digit &- 0x30)
            digits += 1
            position += 1
        }
        guard digits > 0, position > start, isLineEnd else { return nil }
        position += 2
        return isNegative ? -value : value
    }

    /// The rest of a line, without its end.
    private mutating func text() -> String? {
        let start = position
        while let next = byte {
            if next == 0x0d {
                guard isLineEnd else { return nil }
                let text = buffer.getString(at: start, length: position - start)
                position += 2
                return text
            }
            position += 1
        }
        return nil
    }
}
