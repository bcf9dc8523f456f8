import Glibc
package import NIOCore

/// Whole small files.
package enum FileBytes {
    /// Nil when the file cannot be read.
    package static func read(_ path: String) -> ByteBuffer? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var buffer = ByteBuffer()
        while true {
            let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 64 << 10) { space in
                max(0, Glibc.read(descriptor, space.baseAddress, space.count))
            }
            if count == 0 { return buffer }
        }
    }

    /// Whether a replacement must survive the loss of power.
    package enum Durability: Sendable { case pageCache, disk }

    /// Replaces a file atomically; a reader sees the old or the new content.
    ///
    /// Mode 0600.
    package static func replace(
        _ path: String, with content: ByteBuffer, durability: Durability = .pageCache
    ) throws(SpoolError) {
        let draft = "\(path).\(getpid()).tmp"
        let descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SpoolError("open \(draft)") }
        var failure: SpoolError?
        content.withUnsafeReadableBytes { bytes in
            var written = 0
            while written < bytes.count, let base = bytes.baseAddress {
                let count = write(descriptor, base + written, bytes.count - written)
                if count > 0 {
                    written += count
                } else if errno != EINTR {
                    failure = SpoolError("write \(draft)")
                    return
                }
            }
        }
        if failure == nil, durability == .disk, fsync(descriptor) != 0 { failure = SpoolError("fsync \(draft)") }
        close(descriptor)
        if failure == nil, rename(draft, path) != 0 { failure = SpoolError("rename \(draft)") }
        if let failure {
            unlink(draft)
            throw failure
        }
        guard durability == .disk, let slash = path.lastIndex(of: "/") else { return }
        let folder = open(String(path[..<slash]), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }
}
