import Glibc

/// Files that only their owner may read: keys and credentials.
enum PrivateFile {
    /// The content; nil when there is no such file.
    ///
    /// - Errors: a mode that lets group or others in is refused.
    static func read(_ path: String) throws(SettingsError) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        if descriptor < 0 {
            if errno == ENOENT { return nil }
            throw SettingsError("\(path) cannot be read: \(PlainFile.reason(errno))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            throw SettingsError("\(path) cannot be read: \(PlainFile.reason(errno))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw SettingsError("\(path) is not a file") }
        if status.st_mode & 0o077 != 0 {
            let mode = String(status.st_mode & 0o777, radix: 8)
            throw SettingsError("\(path) can be read by others (mode 0\(mode)); make it 0600")
        }
        return try PlainFile.bytes(descriptor, path: path)
    }

    /// Replaces the file as a whole (mode 0600, owned by whom it was); after a crash either the old or the new content is there.
    static func write(_ bytes: [UInt8], to path: String) throws(SettingsError) {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SettingsError("\(path) cannot be written: \(PlainFile.reason(errno))") }
        var former = stat()
        if stat(path, &former) == 0, former.st_uid != geteuid() {
            // Only root may give files away; for others the file is theirs, as it was before.
            _ = fchown(descriptor, former.st_uid, former.st_gid)
        }
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes { space in
                Glibc.write(descriptor, space.baseAddress?.advanced(by: written), space.count - written)
            }
            if count < 0, errno == EINTR { continue }
            if count < 0 {
                let problem = PlainFile.reason(errno)
                close(descriptor)
                unlink(temporary)
                throw SettingsError("\(path) cannot be written: \(problem)")
            }
            written += count
        }
        let synced = fsync(descriptor) == 0
        let problem = PlainFile.reason(errno)
        close(descriptor)
        guard synced, rename(temporary, path) == 0 else {
            unlink(temporary)
            throw SettingsError("\(path) cannot be written: \(synced ? PlainFile.reason(errno) : problem)")
        }
    }
}
