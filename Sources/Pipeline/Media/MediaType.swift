import NIOCore

/// What fetched bytes are.
enum MediaType {
    /// The type that a head names, or, where it names none that says something, the one that the bytes begin like.
    ///
    /// - Parameter field: the value of `Content-Type`.
    /// - Returns: lower case, without parameters; nil for what no model takes, web pages above all.
    static func of(_ bytes: ByteBuffer, field: String?) -> String? {
        var named = (field ?? "").prefix { $0 != ";" }.lowercased()
        while named.last == " " || named.last == "\t" { named.removeLast() }
        if named == "image/jpg" || named == "image/pjpeg" { named = "image/jpeg" }
        let saysNothing = ["", "application/octet-stream", "binary/octet-stream", "application/binary"].contains(named)
        if saysNothing { return guess(bytes) }
        let isToken = named.utf8.allSatisfy { byte in
            switch byte {
            case 0x61...0x7a, 0x30...0x39, 0x2b, 0x2d, 0x2e, 0x2f: true
            default: false
            }
        }
        guard isToken, named.utf8.count(where: { $0 == 0x2f }) == 1, named.utf8.last != 0x2f else { return nil }
        let isMedia =
            ["image/", "audio/", "video/"].contains { named.hasPrefix($0) }
            || ["application/pdf", "text/plain", "text/csv", "text/markdown"].contains(named)
        return isMedia ? named : nil
    }

    /// By the first bytes.
    private static func guess(_ bytes: ByteBuffer) -> String? {
        func begins(_ prefix: [UInt8], at offset: Int = 0) -> Bool {
            bytes.getBytes(at: bytes.readerIndex + offset, length: prefix.count) == prefix
        }
        if begins([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) { return "image/png" }
        if begins([0xff, 0xd8, 0xff]) { return "image/jpeg" }
        if begins(Array("GIF8".utf8)) { return "image/gif" }
        if begins(Array("RIFF".utf8)), begins(Array("WEBP".utf8), at: 8) { return "image/webp" }
        if begins(Array("RIFF".utf8)), begins(Array("WAVE".utf8), at: 8) { return "audio/wav" }
        if begins(Array("%PDF-".utf8)) { return "application/pdf" }
        return nil
    }
}
