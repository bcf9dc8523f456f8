import Glibc

/// The spool's directory: one folder per worker process that has records, segments inside.
///
/// - `<folder>/lock` is held (`flock`) by the worker for as long as it lives.
/// - `<folder>/<sequence>.seg`: a worker writes to the highest sequence only.
/// - `checkpoint`, `checkpoint.secured`, `follower.lock` and `rejected/` belong to control.
enum SpoolFolder {
    static let lockName = "lock"
    static let segmentSuffix = ".seg"
    static let workerPrefix = "worker-"
    /// A folder whose lock is not yet held has this suffix.
    static let draftSuffix = ".draft"

    static func segmentName(_ sequence: UInt64) -> String {
        let digits = String(sequence)
        return String(repeating: "0", count: max(0, 10 - digits.utf8.count)) + digits + segmentSuffix
    }

    static func sequence(ofSegment name: String) -> UInt64? {
        guard name.hasSuffix(segmentSuffix) else { return nil }
        return UInt64(name.dropLast(segmentSuffix.utf8.count))
    }

    /// Creates a directory and those above it, readable by the owner only.
    static func create(_ path: String) throws(SpoolError) {
        if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try create(String(path[..<slash]))
            if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        }
        throw SpoolError("mkdir \(path)")
    }

    /// Names in a directory, without `.` and `..`; empty when it cannot be read.
    static func names(in path: String) -> [String] {
        guard let directory = opendir(path) else { return [] }
        defer { closedir(directory) }
        var names: [String] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { names.append(name) }
        }
        return names
    }

    static func size(of path: String) -> Int? {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        return Int(status.st_size)
    }

    /// Bytes of all segments of the node.
    static func totalSize(of directory: String) -> Int {
        var total = 0
        for folder in names(in: directory) where folder.hasPrefix(workerPrefix) || folder == RejectedRecords.folderName
        {
            for name in names(in: "\(directory)/\(folder)") where name.hasSuffix(segmentSuffix) {
                total += size(of: "\(directory)/\(folder)/\(name)") ?? 0
            }
        }
        return total
    }

    enum Presence { case writerLives, writerGone }

    /// Whether the worker that owns `folder` still lives.
    static func presence(of folder: String) -> Presence {
        let descriptor = open("\(folder)/\(lockName)", O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else { return .writerGone }
        defer { unlock(descriptor) }
        return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? .writerGone : .writerLives
    }

    /// Gives a lock back at once, even if a child that is just being started still shares the descriptor.
    static func unlock(_ descriptor: Int32) {
        flock(descriptor, LOCK_UN)
        Glibc.close(descriptor)
    }

    /// Makes what was removed from a directory stay away after a loss of power; one that is gone needs nothing.
    static func sync(_ path: String) throws(SpoolError) {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        if descriptor < 0, errno == ENOENT { return }
        guard descriptor >= 0 else { throw SpoolError("open \(path)") }
        defer { Glibc.close(descriptor) }
        guard fsync(descriptor) == 0 else { throw SpoolError("fsync \(path)") }
    }

    /// Takes a lock that lasts until the descriptor is closed; nil when somebody else has it.
    static func lock(_ path: String) throws(SpoolError) -> Int32? {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw SpoolError("open \(path)") }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return descriptor }
        let code = errno
        Glibc.close(descriptor)
        guard code == EWOULDBLOCK || code == EINTR else { throw SpoolError("flock \(path)", code: code) }
        return nil
    }
}
