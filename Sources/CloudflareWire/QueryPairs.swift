/// The pairs of a query string that may hold a credential.
package enum QueryPairs {
    /// Names under which clients put keys into a query, in lower case.
    package static let credentialNames: Set<String> = ["key", "api_key", "apikey", "api-key", "token", "access_token"]
    /// Parameters that are meant for the gateway and go no further.
    package static let gatewayPrefix = RequestHeaderName.prefix.description

    /// Every pair with a credential's name: the name decoded and in lower case, the value decoded.
    package static func credentials(in query: String) -> [(name: String, value: String)] {
        query.split(separator: "&").compactMap { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            let name = decoded(parts[0]).lowercased()
            return credentialNames.contains(name) ? (name, decoded(parts[1])) : nil
        }
    }

    /// Percent-decoding; a percent sign that starts no escape stays.
    static func decoded(_ text: some StringProtocol) -> String {
        guard text.utf8.contains(0x25) else { return String(text) }
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2)
            if byte == 0x25, digits.count == 2, digits.allSatisfy({ hexadecimal($0) != nil }) {
                bytes.append(digits.reduce(0) { $0 << 4 | (hexadecimal($1) ?? 0) })
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
