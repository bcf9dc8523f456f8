package import NIOCore

/// A log entry's id: a ULID, 48 bits of milliseconds since 1970 and 80 random bits.
///
/// - Wire: 26 characters of Crockford's base 32, upper case, sortable by time.
/// - Source: data-plane §2.2 · documented examples.
package struct LogID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package var high: UInt64
    package var low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// Composes an id.
    /// - Parameters:
    ///   - milliseconds: since 1970; only 48 bits are kept.
    ///   - random: source of the other 80 bits.
    package init(milliseconds: UInt64, random: inout some RandomNumberGenerator) {
        let entropy = random.next()
        high = milliseconds << 16 | entropy & 0xffff
        low = random.next()
    }

    /// Milliseconds since 1970 at which the id was made.
    package var milliseconds: UInt64 { high >> 16 }

    package static let encodedLength = 26
    private static let alphabet: StaticString = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

    /// Writes the encoded form from its end, five bits a character.
    private func encode(into space: UnsafeMutablePointer<UInt8>) {
        let letters = Self.alphabet.utf8Start
        var index = Self.encodedLength
        func put(_ count: Int, of bits: UInt64) {
            var rest = bits
            for _ in 0..<count {
                index -= 1
                space[index] = letters[Int(truncatingIfNeeded: rest & 31)]
                rest >>= 5
            }
        }
        put(12, of: low)
        put(12, of: low >> 60 | high << 4)
        put(2, of: high >> 56)
    }

    package func write(into buffer: inout ByteBuffer) {
        buffer.compose(capacity: Self.encodedLength) { write(into: &$0) }
    }

    package func write(into out: inout RawWriter) {
        out.fill(Self.encodedLength) { encode(into: $0.assumingMemoryBound(to: UInt8.self)) }
    }

    /// Lends the encoded form.
    package func withEncoded(_ body: (UnsafeRawBufferPointer) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: Self.encodedLength, alignment: 1) { space in
            guard let start = space.baseAddress else { return }
            encode(into: start.assumingMemoryBound(to: UInt8.self))
            body(UnsafeRawBufferPointer(space))
        }
    }

    package var description: String {
        String(unsafeUninitializedCapacity: Self.encodedLength) { space in
            guard let start = space.baseAddress else { return 0 }
            encode(into: start)
            return Self.encodedLength
        }
    }

    /// Reads the 26-character form; lower case is accepted.
    package init?(_ text: some StringProtocol) {
        guard text.utf8.count == Self.encodedLength else { return nil }
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (index, byte) in text.utf8.enumerated() {
            guard let value = Self.value(of: byte) else { return nil }
            if index == 0, value > 7 { return nil }
            high = high << 5 | low >> 59
            low = low << 5 | UInt64(value)
        }
        self.init(high: high, low: low)
    }

    private static func value(of byte: UInt8) -> UInt8? {
        let upper = (0x61...0x7a).contains(byte) ? byte - 0x20 : byte
        return alphabet.withUTF8Buffer { letters in
            letters.firstIndex(of: upper).map { UInt8($0) }
        }
    }

    package static func < (left: LogID, right: LogID) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}
