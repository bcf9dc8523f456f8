import GatewayCore
import NIOCore

/// Redis' protocol as it is written: a count of arguments, then each argument behind its length.
///
/// Written here and not by hiredis, whose formatter takes addresses of complete arguments, copies them into memory of
/// its own, and costs more than a whole question does in this form.
extension RawWriter {
    /// Most bytes that a command needs before its first argument.
    static let commandOverhead = 24
    /// Most bytes that an argument needs besides its own.
    static let argumentOverhead = 25

    /// A command begins; `count` arguments follow, its name being the first.
    mutating func command(of count: Int) {
        write(byte: 0x2a)
        digits(count)
        endLine()
    }

    /// An argument of `length` bytes begins; `endLine` follows them.
    mutating func argument(length: Int) {
        write(byte: 0x24)
        digits(length)
        endLine()
    }

    /// A number that is not negative, from its last digit to its first.
    mutating func digits(_ number: Int) {
        if number < 100 {
            if number >= 10 { write(byte: 0x30 + UInt8(truncatingIfNeeded: number / 10)) }
            return write(byte: 0x30 + UInt8(truncatingIfNeeded: number % 10))
        }
        let length = Self.digits(of: number)
        unsafe fill(length) { space in
            var rest = number
            for index in stride(from: length - 1, through: 0, by: -1) {
                unsafe space.storeBytes(
                    of: 0x30 + UInt8(truncatingIfNeeded: rest % 10), toByteOffset: index, as: UInt8.self
                )
                rest /= 10
            }
        }
    }

    /// Bytes that `endLine` writes.
    static let bytesOfLineEnd = 2

    mutating func endLine() { write(integer: 0x0a0d as UInt16) }

    mutating func argument(_ text: String) {
        argument(length: text.utf8.count)
        write(text)
        endLine()
    }

    mutating func argument(_ number: Int) {
        guard number >= 0 else { return argument(String(number)) }
        argument(length: Self.digits(of: number))
        digits(number)
        endLine()
    }

    mutating func argument(_ bytes: ByteBuffer) {
        argument(length: bytes.readableBytes)
        unsafe bytes.withUnsafeReadableBytes { unsafe write($0) }
        endLine()
    }

    /// How many decimal digits a number has that is not negative.
    static func digits(of number: Int) -> Int {
        var digits = 1
        var bound = 10
        while number >= bound, digits < 19 {
            digits += 1
            bound = bound.multipliedReportingOverflow(by: 10).partialValue
        }
        return digits
    }
}
