import WireFormats

/// A model's blocks of thought on their way through a client, in `encrypted_content` (providers.md §14.1).
///
/// Base64 of `{"p":provider,"m":model,"b":[blocks]}`. Nothing in it is secret: the blocks are signed or sealed by their provider.
enum ResponsesReasoning {
    /// Bytes of the longest text that is read.
    private static let limit = 1 << 20

    static func sealed(_ blocks: [String], by provider: String, _ model: String) -> String? {
        guard !blocks.isEmpty else { return nil }
        let text =
            #"{"p":\#(JSONPatch.quoted(provider)),"m":\#(JSONPatch.quoted(model)),"b":[\#(blocks.joined(separator: ","))]}"#
        return Base64Text.encode(Array(text.utf8))
    }

    /// JSON text of the blocks; none where the text is another's, or the blocks are another provider's.
    static func blocks(_ sealed: String, of provider: String) -> [String] {
        guard sealed.utf8.count <= limit, var text = Base64Text.decode(sealed[...]) else { return [] }
        return text.withUTF8 { bytes in
            let raw = UnsafeRawBufferPointer(bytes)
            var blocks: [String] = []
            guard JSONScan.validate(raw), JSONView(raw).member("p")?.string == provider else { return blocks }
            JSONView(raw).member("b")?.forEachElement { block in
                if block.kind == .object { blocks.append(String(decoding: block.bytes, as: UTF8.self)) }
            }
            return blocks
        }
    }
}
