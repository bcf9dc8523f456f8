import Glibc
import ProcessRuntime

/// The few things the supervisor does with files and folders.
enum Files {
    static func linkTarget(_ path: String) -> String? {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = bytes.withUnsafeMutableBytes { space in
            space.withMemoryRebound(to: CChar.self) { text in
                text.baseAddress.map { readlink(path, $0, text.count) } ?? -1
            }
        }
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : nil
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    static func owner(_ path: String) -> UInt32? {
        var facts = stat()
        return lstat(path, &facts) == 0 ? facts.st_uid : nil
    }

    /// A folder that only `user` can enter (nil: this process' user); made if missing, taken over if it is another's.
    static func makePrivate(_ path: String, for user: SystemUser?) throws(SupervisorError) {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw failed("create", path) }
        guard let current = owner(path) else { throw failed("read", path) }
        if let user, current != user.uid { try giveAway(path, to: user) }
        guard chmod(path, 0o700) == 0 else { throw failed("protect", path) }
    }

    /// Changes the owner of a folder and everything in it.
    ///
    /// Links are not followed.
    static func giveAway(_ path: String, to user: SystemUser) throws(SupervisorError) {
        for name in names(in: path) {
            let entry = path + "/" + name
            var facts = stat()
            guard lstat(entry, &facts) == 0 else { continue }
            if facts.st_mode & S_IFMT == S_IFDIR {
                try giveAway(entry, to: user)
            } else if lchown(entry, user.uid, user.gid) != 0 {
                throw failed("give away", entry)
            }
        }
        guard lchown(path, user.uid, user.gid) == 0 else { throw failed("give away", path) }
    }

    static func names(in folder: String) -> [String] {
        guard let stream = opendir(folder) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    /// Deletes a folder with everything in it; nothing happens when it is missing.
    static func removeTree(_ path: String) {
        for name in names(in: path) {
            let entry = path + "/" + name
            if unlink(entry) != 0 { removeTree(entry) }
        }
        rmdir(path)
    }

    /// The beginning of a small file; nil when it cannot be read.
    static func text(_ path: String, atMost limit: Int = 4096) -> String? {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        return read(file, from: 0, limit)
    }

    /// The last whole lines of a log, for an error message.
    static func lastLines(_ path: String, count: Int = 5) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        let size = lseek(file, 0, SEEK_END)
        let text = read(file, from: max(0, size - 4096), 4096)
        return text.split(separator: "\n").suffix(count).joined(separator: "\n")
    }

    private static func read(_ file: Int32, from offset: Int, _ limit: Int) -> String {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = bytes.withUnsafeMutableBytes { pread(file, $0.baseAddress, $0.count, off_t(offset)) }
        return String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
    }

    /// A log file to append to; started anew when it has become large.
    static func openLog(_ path: String) throws(SupervisorError) -> OwnedDescriptor {
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failed("write", path) }
        let log = OwnedDescriptor(file)
        if lseek(file, 0, SEEK_END) > 16 << 20 { ftruncate(file, 0) }
        return log
    }

    static func failed(_ verb: String, _ path: String) -> SupervisorError {
        SupervisorError(.system, "cannot \(verb) \(path): \(SystemError.text(errno))")
    }
}
