import Glibc

/// The search for the empty line that ends a head, continued where it stopped when more bytes have come.
struct HeadSearch: Sendable {
    /// Bytes already searched, counted from the head's first byte.
    private var searched = 0
    /// Where the line that is being searched starts.
    private var lineStart = 0
    /// Lines that ended so far, the start line among them.
    private(set) var lines = 0

    /// Whether nothing has been searched yet.
    var isFresh: Bool { searched == 0 }

    /// The head's length through its empty line, or nil when that line has not come yet.
    mutating func end(in bytes: UnsafeRawBufferPointer, limits: HTTP1Limits) throws(HTTP1Error) -> Int? {
        guard let base = bytes.baseAddress else { return nil }
        while searched < bytes.count, let hit = memchr(base + searched, 0x0A, bytes.count - searched) {
            let lineFeed = UnsafeRawPointer(hit) - base
            guard lineFeed > lineStart, bytes[lineFeed - 1] == 0x0D else { throw .bareLineFeed }
            guard lineFeed < limits.headBytes else { throw .headTooLarge }
            if lineFeed - 1 == lineStart {
                guard lines > 0 else { throw .badStartLine }
                return lineFeed + 1
            }
            lines += 1
            guard lines <= limits.fields + 1 else { throw .tooManyFields }
            lineStart = lineFeed + 1
            searched = lineStart
        }
        searched = bytes.count
        guard bytes.count <= limits.headBytes else { throw .headTooLarge }
        return nil
    }
}
