import COpenSSL

/// Bytes from the cryptographic random number generator.
package enum RandomBytes {
    /// - Parameter count: at most 1 MiB.
    package static func make(count: Int) throws(VaultError) -> [UInt8] {
        guard (0...(1 << 20)).contains(count) else { throw .noRandomness }
        var bytes = [UInt8](repeating: 0, count: count)
        let isFilled = unsafe bytes.withUnsafeMutableBufferPointer { space in
            unsafe RAND_bytes(space.baseAddress, Int32(space.count)) == 1
        }
        guard isFilled || count == 0 else { throw .noRandomness }
        return bytes
    }

    /// Random bytes as lower-case hexadecimal text of twice that length.
    package static func hexadecimal(bytes count: Int) throws(VaultError) -> String {
        Hexadecimal.text(of: try make(count: count))
    }
}

/// Bytes as lower-case hexadecimal text.
package enum Hexadecimal {
    package static func text(of bytes: some Collection<UInt8>) -> String {
        let digits: StaticString = "0123456789abcdef"
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count * 2)
        digits.withUTF8Buffer { letters in
            for byte in bytes {
                text.append(unsafe letters[Int(byte >> 4)])
                text.append(unsafe letters[Int(byte & 15)])
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
