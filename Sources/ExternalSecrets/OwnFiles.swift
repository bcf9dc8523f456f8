import Glibc

/// Files of the daemon itself, to which no secret may point, whatever `secrets.references` allows.
///
/// Whoever may write secrets of one account could otherwise send the master key to a provider of their own.
package struct OwnFiles: Sendable {
    private let files: [String]
    private let directory: String?

    /// - Parameters:
    ///   - files: absolute paths of single files; they need not exist.
    ///   - directory: absolute path of the directory of which every file counts.
    package init(files: [String] = [], directory: String? = nil) {
        self.files = files
        self.directory = directory
    }

    /// Whether an open file is one of them, under whatever name it was opened.
    ///
    /// Files are known by device and inode, as they are now: they are replaced as a whole while the daemon runs.
    func contain(descriptor: Int32, _ status: stat, openedAs path: String) -> Bool {
        if files.contains(path) { return true }
        for file in files {
            var own = stat()
            if stat(file, &own) == 0, own.st_dev == status.st_dev, own.st_ino == status.st_ino { return true }
        }
        guard let directory else { return false }
        let places = [path, Self.place(ofOpen: descriptor) ?? Self.resolved(path)].compactMap(\.self)
        let names = [directory, Self.resolved(directory)].compactMap(\.self)
        return names.contains { name in places.contains { $0.hasPrefix(name + "/") } }
    }

    /// The path behind all links, as the kernel has it.
    private static func place(ofOpen descriptor: Int32) -> String? {
        var bytes = [CChar](repeating: 0, count: Int(PATH_MAX))
        let count = readlink("/proc/self/fd/\(descriptor)", &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self) : nil
    }

    private static func resolved(_ path: String) -> String? {
        guard let text = realpath(path, nil) else { return nil }
        defer { free(text) }
        return String(cString: text)
    }
}
