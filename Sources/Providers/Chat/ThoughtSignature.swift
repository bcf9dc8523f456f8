import WireFormats

/// Where clients keep the signature that came with a call (providers.md §8.4, §6.1 step 5).
enum ThoughtSignature {
    /// Bytes of the longest signature that is believed.
    static let limit = 65_536

    /// The signature of a call in a history: in the place of Google's own OpenAI surface, or in another gateway's.
    static func read(_ call: JSONView) -> String? {
        let own = call.member("extra_content")?.member("google")?.member("thought_signature")
        let other = call.member("function")?.member("thought_signature")
        guard let text = (own ?? other)?.string, isSound(text.utf8[...]) else { return nil }
        return text
    }

    /// Writes the value of a call's `extra_content`.
    static func write(_ signature: String, into out: inout JSONWriter) {
        out.beginObject()
        out.key("google")
        out.beginObject()
        out.key("thought_signature")
        out.string(signature)
        out.endObject()
        out.endObject()
    }

    /// An id without the signature that other gateways hang on it.
    static func detached(from id: String) -> (id: String, signature: String?) {
        for mark in ["__thought__", "_ts_"] {
            guard id.utf8.count > mark.utf8.count + shortest, let at = id.utf8Position(of: mark), at > 0 else {
                continue
            }
            let text = id.utf8.dropFirst(at + mark.utf8.count)
            guard text.count >= shortest, isSound(text) else { continue }
            // Base64 in its usual alphabet, whichever was used.
            let usual = text.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "+") : $0 == UInt8(ascii: "_") ? 0x2F : $0 }
            let padding = String(repeating: "=", count: text.last == UInt8(ascii: "=") ? 0 : (4 - text.count % 4) % 4)
            return (
                String(decoding: id.utf8.prefix(at), as: UTF8.self),
                String(decoding: usual, as: UTF8.self) + padding
            )
        }
        return (id, nil)
    }

    /// Shorter texts are parts of an id.
    private static let shortest = 40

    /// Whether the text is base64 in either alphabet.
    private static func isSound(_ text: Substring.UTF8View) -> Bool {
        guard !text.isEmpty, text.count <= limit else { return false }
        return text.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2B, 0x2F, 0x2D, 0x5F, 0x3D: true
            default: false
            }
        }
    }
}
