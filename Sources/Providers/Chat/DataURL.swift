/// The parts of a `data:` URL (RFC 2397).
struct DataURL {
    /// Lower case, without parameters.
    let mediaType: String
    let isBase64: Bool
    /// What stands behind the comma, as it stands there.
    let payload: Substring

    /// Nil when the text is no data URL.
    init?(_ text: String) {
        guard text.prefix(5).lowercased() == "data:", let comma = text.utf8.firstIndex(of: UInt8(ascii: ",")) else {
            return nil
        }
        let head = text[text.index(text.startIndex, offsetBy: 5)..<comma].lowercased()
        let parts = head.split(separator: ";", omittingEmptySubsequences: false)
        var type = parts.first.map(String.init) ?? ""
        // A common misspelling.
        if type == "image/jpg" { type = "image/jpeg" }
        mediaType = type.isEmpty ? "text/plain" : type
        isBase64 = parts.last == "base64"
        payload = text[text.utf8.index(after: comma)...]
    }
}
