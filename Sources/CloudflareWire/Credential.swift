import GatewayCore

/// How credentials are written in header values.
package enum Credential {
    /// Words that may stand before a key in a credential field.
    private static let schemes: [StaticString] = ["bearer", "token", "key", "api-key"]

    /// The value without a leading `Bearer` scheme (any case) and the space around it; nil when nothing is left.
    ///
    /// - Source: data-plane §1.9: an empty `Bearer ` counts as absent; §3.1: a bare token is accepted.
    package static func withoutBearer(_ bytes: UnsafeRawBufferPointer, _ value: Range<Int>) -> Range<Int>? {
        without(schemes[0], bytes, value)
    }

    /// The value without any provider's scheme word; nil when nothing is left.
    package static func withoutScheme(_ bytes: UnsafeRawBufferPointer, _ value: Range<Int>) -> Range<Int>? {
        guard let first = value.first else { return nil }
        for scheme in schemes where scheme.utf8Start[0] == bytes[first] | 0x20 {
            guard let rest = without(scheme, bytes, value) else { return nil }
            if rest != value { return rest }
        }
        return value
    }

    /// Keys that clients send which insist on having one; nobody gives such a key out (providers.md §17.5 · assumed).
    private static let placeholders: [StaticString] = ["none", "null", "undefined", "dummy", "empty", "sk-dummy"]

    /// Whether a key, without scheme word, only fills its place: a stored key counts in spite of it.
    package static func isPlaceholder(_ key: UnsafeRawBufferPointer) -> Bool {
        guard key.count <= 9 else { return false }
        return placeholders.contains { $0.matches(key, 0..<key.count) }
    }

    /// Whether a key, without scheme word, only fills its place: a stored key counts in spite of it.
    package static func isPlaceholder(_ key: String) -> Bool {
        var key = key
        return key.withUTF8 { isPlaceholder(UnsafeRawBufferPointer($0)) }
    }

    private static func without(
        _ scheme: StaticString, _ bytes: UnsafeRawBufferPointer, _ value: Range<Int>
    ) -> Range<Int>? {
        var start = value.lowerBound
        let length = scheme.utf8CodeUnitCount
        if value.count >= length, scheme.matches(bytes, start..<start + length) {
            if value.count == length { return nil }
            if bytes[start + length] == 0x20 || bytes[start + length] == 0x09 {
                start += length
                while start < value.upperBound, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
            }
        }
        return start < value.upperBound ? start..<value.upperBound : nil
    }
}
