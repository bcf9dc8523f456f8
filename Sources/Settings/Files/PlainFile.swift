import Glibc

/// Reads small files, pipes included, so that `--config /dev/stdin` works.
enum PlainFile {
    /// Bytes; larger files are refused.
    static let largest = 1 << 20

    static func read(_ path: String, atMost largest: Int = PlainFile.largest) throws(SettingsError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw SettingsError("\(path) cannot be read: \(reason(errno))") }
        defer { close(descriptor) }
        return try bytes(descriptor, path: path, atMost: largest)
    }

    /// Everything up to the end of the file.
    static func bytes(
        _ descriptor: Int32, path: String, atMost largest: Int = PlainFile.largest
    ) throws(SettingsError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = Glibc.read(descriptor, &piece, piece.count)
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw SettingsError("\(path) cannot be read: \(reason(errno))") }
            if count == 0 { return bytes }
            bytes += piece[..<count]
            guard bytes.count <= largest else { throw SettingsError("\(path) is larger than \(largest) bytes") }
        }
    }

    /// The operating system's words for an error number.
    static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }
}
