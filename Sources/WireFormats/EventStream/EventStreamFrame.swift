import Glibc

/// One frame of a binary event stream where it stands: a view over bytes that somebody else keeps.
///
/// Valid only inside the call that lent it.
/// - Source: Amazon's event stream encoding, as its SDKs read it (providers §3) · documented
package struct EventStreamFrame {
    private let headers: UnsafeRawBufferPointer
    /// What the frame carries.
    package let payload: UnsafeRawBufferPointer

    /// Nil when the headers are malformed.
    init?(headers: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) {
        self.headers = headers
        self.payload = payload
        var at = 0
        while at < headers.count {
            guard let header = Self.header(headers, at) else { return nil }
            at = header.end
        }
    }

    /// The text of a string header; nil when there is none of exactly that name.
    package func text(_ name: StaticString) -> UnsafeRawBufferPointer? {
        var at = 0
        while let header = Self.header(headers, at) {
            if header.type == Self.stringType, header.name.isExactly(name) { return header.value }
            at = header.end
        }
        return nil
    }

    private static let stringType: UInt8 = 7

    private struct Header {
        var name: UnsafeRawBufferPointer
        var type: UInt8
        var value: UnsafeRawBufferPointer
        var end: Int
    }

    /// The header that begins at an offset: a length of one byte and the name, a type, the value.
    private static func header(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Header? {
        guard start < bytes.count else { return nil }
        let nameEnd = start + 1 + Int(bytes[start])
        guard bytes[start] > 0, nameEnd < bytes.count else { return nil }
        let type = bytes[nameEnd]
        var at = nameEnd + 1
        let length: Int
        switch type {
        case 0, 1: length = 0
        case 2: length = 1
        case 3: length = 2
        case 4: length = 4
        case 5, 8: length = 8
        case 9: length = 16
        case 6, stringType:
            guard at + 2 <= bytes.count else { return nil }
            length = Int(bytes[at]) << 8 | Int(bytes[at + 1])
            at += 2
        default: return nil
        }
        guard at + length <= bytes.count else { return nil }
        return Header(
            name: UnsafeRawBufferPointer(rebasing: bytes[start + 1..<nameEnd]), type: type,
            value: UnsafeRawBufferPointer(rebasing: bytes[at..<at + length]), end: at + length
        )
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func isExactly(_ text: StaticString) -> Bool {
        guard count == text.utf8CodeUnitCount, let baseAddress else { return false }
        return memcmp(baseAddress, text.utf8Start, count) == 0
    }
}
