package import NIOCore

/// Rows in the binary form of `COPY`: header, rows of length-prefixed fields, trailer.
package struct CopyRows: Sendable {
    private var buffer = ByteBuffer()
    package private(set) var count = 0

    /// Signature, flags, length of the header's extension.
    private static let header: [UInt8] = [
        0x50, 0x47, 0x43, 0x4f, 0x50, 0x59, 0x0a, 0xff, 0x0d, 0x0a, 0x00, 0, 0, 0, 0, 0, 0, 0, 0,
    ]
    /// The number of fields of a row that is none.
    private static let trailer = ByteBuffer(bytes: [0xff, 0xff])
    /// Memory beyond this is given back once a batch is stored.
    private static let maxKept = 4 << 20

    init() { buffer.writeBytes(Self.header) }

    /// The whole message, in pieces.
    package var message: [ByteBuffer] { [buffer, Self.trailer] }

    /// Adds a row.
    ///
    /// - Parameters:
    ///   - fields: as many as `body` writes.
    ///   - capacity: at least the bytes of the row; more would trap.
    ///   - source: what the writer copies from.
    mutating func add(
        fields: Int, capacity: Int, from source: UnsafeRawBufferPointer, _ body: (inout RowWriter) -> Void
    ) {
        unsafe buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: capacity + 2) { space in
            var row = unsafe RowWriter(space, source: source)
            row.begin(fields: fields)
            body(&row)
            return row.count
        }
        count += 1
    }

    /// Removes all rows; memory of an ordinary size stays for the next ones.
    mutating func removeAll() {
        if buffer.capacity > Self.maxKept { buffer = ByteBuffer() }
        buffer.clear()
        buffer.writeBytes(Self.header)
        count = 0
    }
}
