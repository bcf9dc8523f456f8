/// Text that means the same to everyone: ASCII without zero bytes, as nearly everything in a record is.
enum PlainText {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    /// Whether every byte is between 1 and 127; eight at a time.
    static func holds(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let count = bytes.count
        var index = 0
        var found: UInt64 = 0
        while index + 8 <= count {
            // Taking one from a zero byte sets its highest bit; the bytes above it may be wronged only after that.
            let word = unsafe bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian
            found |= (word &- ones) | word
            index += 8
        }
        while index < count {
            let byte = unsafe bytes[index]
            if byte == 0 || byte > 0x7f { return false }
            index += 1
        }
        return found & highs == 0
    }

    /// The form in which PostgreSQL can hold it: UTF-8 without zero bytes.
    static func storable(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
        storable(unsafe String(decoding: bytes, as: UTF8.self))
    }

    static func storable(_ text: String) -> [UInt8] { text.utf8.filter { $0 != 0 } }
}
