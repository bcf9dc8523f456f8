import GatewayCore
import Glibc

/// A file that holds nothing but one secret's value.
enum SecretFile {
    /// Larger files are refused.
    static let maximumBytes = 65_536

    /// The content without the line end that editors leave.
    ///
    /// A file that everybody on the machine may read is refused: it would be no secret. One of the daemon's own counts
    /// as gone, so that a value which was read of it before is dropped.
    static func read(_ path: String, except own: OwnFiles = OwnFiles()) throws(ExternalSecretError) -> Secret<[UInt8]> {
        // Without O_NONBLOCK a pipe in this place would keep us waiting for ever.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        if descriptor < 0 {
            let code = errno
            if code == ENOENT || code == ENOTDIR { throw .gone("the file does not exist") }
            throw .unavailable("the file cannot be read: \(String(cString: strerror(code)))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw .unavailable("it is not a file")
        }
        if own.contain(descriptor: descriptor, status, openedAs: path) {
            throw .gone("the file is one of the daemon's own; no secret may point there")
        }
        if status.st_mode & 0o004 != 0 { throw .unavailable("the file can be read by everybody; make it 0600") }
        var content = [UInt8](repeating: 0, count: maximumBytes + 3)
        var filled = 0
        while filled < content.count {
            let count = content.withUnsafeMutableBytes { space in
                Glibc.read(descriptor, space.baseAddress?.advanced(by: filled), space.count - filled)
            }
            if count < 0, errno == EINTR { continue }
            if count < 0 { throw .unavailable("the file cannot be read: \(String(cString: strerror(errno)))") }
            if count == 0 { break }
            filled += count
        }
        content.removeLast(content.count - filled)
        if content.last == UInt8(ascii: "\n") { content.removeLast() }
        if content.last == UInt8(ascii: "\r") { content.removeLast() }
        guard content.count <= maximumBytes else { throw .unavailable("the file is larger than 64 KiB") }
        guard !content.isEmpty else { throw .unavailable("the file is empty") }
        return Secret(content)
    }
}
