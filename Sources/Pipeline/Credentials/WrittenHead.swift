import NIOCore
import WireFormats

/// A head that was composed for a provider, opened again to change its fields.
///
/// It is well-formed, because it was written here or checked when it came; values may hold any bytes.
struct WrittenHead {
    let bytes: ByteBuffer

    /// - Parameter bytes: the whole head, through the empty line.
    init(_ bytes: ByteBuffer) { self.bytes = bytes }

    /// Calls `body` with each line but the empty one, its end included.
    private func forEachLine(_ body: (_ line: UnsafeRawBufferPointer) -> Void) {
        bytes.withUnsafeReadableBytes { all in
            var start = 0
            for (position, byte) in all.enumerated() where byte == 0x0a {
                if position - start > 1 { body(UnsafeRawBufferPointer(rebasing: all[start...position])) }
                start = position + 1
            }
        }
    }

    private static func text(_ bytes: some Sequence<UInt8>) -> String {
        String(decoding: Array(bytes), as: UTF8.self)
    }

    var method: String { bytes.withUnsafeReadableBytes { Self.text($0.prefix { $0 != 0x20 }) } }

    /// The same head for another request target.
    ///
    /// - Parameter target: path and query, without a byte that could end the line.
    func asking(_ target: String) -> WrittenHead {
        var out = ByteBuffer()
        out.reserveCapacity(bytes.readableBytes + target.utf8.count)
        out.writeString("\(method) \(target) HTTP/1.1\r\n")
        var isFirst = true
        forEachLine { line in
            if !isFirst { out.writeBytes(line) }
            isFirst = false
        }
        HeadWriter.endOfHead(into: &out)
        return WrittenHead(out)
    }

    /// Names and values in order, values without the blanks around them.
    var fields: [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        var isFirst = true
        forEachLine { line in
            defer { isFirst = false }
            if isFirst { return }
            let name = line.prefix { $0 != 0x3a }
            var value = line[name.endIndex...].dropFirst().drop { $0 == 0x20 || $0 == 0x09 }
            while let last = value.last, last <= 0x20 { value.removeLast() }
            fields.append((Self.text(name), Self.text(value)))
        }
        return fields
    }

    /// The head without fields of these names.
    ///
    /// - Parameter names: lower case.
    func without(_ names: [String]) -> WrittenHead {
        guard !names.isEmpty else { return self }
        var kept = ByteBuffer()
        kept.reserveCapacity(bytes.readableBytes)
        var isFirst = true
        forEachLine { line in
            if isFirst || !names.contains(Self.text(line.prefix { $0 != 0x3a }).lowercased()) { kept.writeBytes(line) }
            isFirst = false
        }
        HeadWriter.endOfHead(into: &kept)
        return WrittenHead(kept)
    }

    /// The bytes of the head with more fields at its end.
    func adding(_ fields: [(name: String, value: String)]) -> ByteBuffer {
        var out = ByteBuffer()
        out.reserveCapacity(fields.reduce(bytes.readableBytes) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 })
        if let open = bytes.getSlice(at: bytes.readerIndex, length: max(0, bytes.readableBytes - 2)) {
            out.writeImmutableBuffer(open)
        }
        for field in fields { HeadWriter.field(named: field.name, field.value, into: &out) }
        HeadWriter.endOfHead(into: &out)
        return out
    }
}
