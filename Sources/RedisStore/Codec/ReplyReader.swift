import CHiredis
package import NIOCore

/// Cuts the bytes of a connection into replies, with hiredis' parser.
///
/// Replies that arrived whole and hold no arrays inside of arrays, which is nearly all of them, are read in place; the
/// parser gets everything else. Both read the same replies in the same bytes.
/// - Limit: a reply that needs more than `maxReply` bytes, or is nested deeper than hiredis allows, is an error; the
///   connection cannot be used after one.
@safe package final class ReplyReader {
    /// Bytes.
    package static let maxReply = 64 << 20

    // SAFETY: made in `init`, freed in `deinit`, never handed out.
    private let reader: UnsafeMutablePointer<redisReader>
    /// Bytes that the parser has not seen yet.
    private var arrived = ByteBuffer()
    private var waiting = 0

    /// Nil when there is no memory.
    package init?() {
        guard let reader = unsafe redisReaderCreate() else { return nil }
        unsafe self.reader = unsafe reader
    }

    deinit { unsafe redisReaderFree(reader) }

    /// Takes bytes as they came.
    package func feed(_ buffer: ByteBuffer) throws(RedisStoreError) {
        waiting += buffer.readableBytes
        guard waiting <= Self.maxReply else { throw RedisStoreError("a reply is larger than \(Self.maxReply) bytes") }
        if arrived.readableBytes == 0 {
            arrived = buffer
        } else {
            arrived.writeImmutableBuffer(buffer)
        }
    }

    /// The next complete reply; nil when more bytes are needed.
    package func next() throws(RedisStoreError) -> RedisReply? {
        if isParserEmpty {
            guard arrived.readableBytes > 0 else { return nil }
            var cursor = ReplyCursor(arrived)
            if let reply = cursor.reply() {
                arrived.moveReaderIndex(to: cursor.position)
                // The buffer belongs to the connection, which reads into it again once nobody holds it.
                if arrived.readableBytes == 0 { arrived = ByteBuffer() }
                waiting = 0
                return reply
            }
        }
        try hand()
        var object: UnsafeMutableRawPointer?
        guard unsafe redisReaderGetReply(reader, &object) == REDIS_OK else {
            throw RedisStoreError("malformed reply: \(parserMessage)")
        }
        guard let found = unsafe object else { return nil }
        waiting = 0
        defer { unsafe freeReplyObject(found) }
        return unsafe Self.reply(found.assumingMemoryBound(to: redisReply.self).pointee)
    }

    /// Whether the parser holds neither bytes nor a part of a reply.
    private var isParserEmpty: Bool {
        unsafe reader.pointee.ridx == -1 && reader.pointee.pos == reader.pointee.len
    }

    private func hand() throws(RedisStoreError) {
        guard arrived.readableBytes > 0 else { return }
        let status = unsafe arrived.withUnsafeReadableBytes { space -> Int32 in
            guard let base = space.baseAddress else { return REDIS_OK }
            return unsafe redisReaderFeed(reader, base.assumingMemoryBound(to: CChar.self), space.count)
        }
        arrived = ByteBuffer()
        if status != REDIS_OK { throw RedisStoreError("the reply parser refused bytes: \(parserMessage)") }
    }

    private var parserMessage: String {
        unsafe withUnsafePointer(to: &reader.pointee.errstr) { tuple in
            unsafe tuple.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: tuple.pointee)) {
                unsafe String(cString: $0)
            }
        }
    }

    /// The recursion is as deep as hiredis lets replies be nested: nine levels.
    private static func reply(_ object: redisReply) -> RedisReply {
        switch unsafe object.type {
        case REDIS_REPLY_STRING: return unsafe .bytes(ByteBuffer(bytes: bytes(object)))
        case REDIS_REPLY_INTEGER: return unsafe .integer(Int(object.integer))
        case REDIS_REPLY_STATUS: return unsafe .status(String(decoding: bytes(object), as: UTF8.self))
        case REDIS_REPLY_ERROR: return unsafe .error(String(decoding: bytes(object), as: UTF8.self))
        case REDIS_REPLY_ARRAY:
            var elements: [RedisReply] = []
            let count = unsafe Int(object.elements)
            elements.reserveCapacity(count)
            for index in 0..<count {
                guard let element = unsafe object.element[index] else { continue }
                unsafe elements.append(reply(element.pointee))
            }
            return .array(elements)
        default: return .null
        }
    }

    private static func bytes(_ object: redisReply) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(start: object.str, count: Int(object.len))
    }
}
