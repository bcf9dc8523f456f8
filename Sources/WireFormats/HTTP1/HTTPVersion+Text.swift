import CByteKernels
import GatewayCore

extension HTTPVersion {
    /// The length of `HTTP/1.1`.
    static let spelledBytes = 8

    /// Reads `HTTP/1.1` or `HTTP/1.0` at `text`; the letters are case-sensitive (RFC 9112 §2.3).
    init(_ text: UnsafeRawPointer, available: Int) throws(HTTP1Error) {
        guard available > Self.spelledBytes else { throw .badVersion }
        switch UInt64(bigEndian: text.loadUnaligned(as: UInt64.self)) {
        case 0x4854_5450_2F31_2E31: self = .http11
        case 0x4854_5450_2F31_2E30: self = .http10
        default: throw .badVersion
        }
    }
}
