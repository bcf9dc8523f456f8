import Glibc

/// A network in CIDR notation; a bare address is a network of one.
package struct NetworkRange: Hashable, Sendable, CustomStringConvertible {
    /// Four or sixteen bytes, the bits beyond `prefixLength` zero.
    package let address: [UInt8]
    package let prefixLength: Int
    private let text: String

    /// Nil when the address is malformed, the prefix too long, or bits beyond the prefix are set.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let bytes = Self.addressBytes(String(parts[0])) else { return nil }
        var prefix = bytes.count * 8
        if parts.count == 2 {
            guard let number = wholeNumber(parts[1]), number <= prefix else { return nil }
            prefix = number
        }
        for (index, byte) in bytes.enumerated() {
            let kept = min(max(prefix - index * 8, 0), 8)
            if byte & UInt8(truncatingIfNeeded: 0xff >> kept) != 0 { return nil }
        }
        address = bytes
        prefixLength = prefix
        self.text = "\(parts[0])/\(prefix)"
    }

    package var description: String { text }

    /// The bytes of an IPv4 or IPv6 address in text form; nil for anything else.
    package static func addressBytes(_ text: String) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 16)
        if inet_pton(AF_INET, text, &bytes) == 1 { return Array(bytes[0..<4]) }
        if inet_pton(AF_INET6, text, &bytes) == 1 { return bytes }
        return nil
    }
}
