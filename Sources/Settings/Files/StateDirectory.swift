import Glibc

/// The directory that holds everything a node keeps on disk.
package enum StateDirectory {
    /// Creates the directory and its parents (mode 0700) if it is missing; an existing one is left as it is.
    package static func prepare(_ path: String) throws(SettingsError) {
        var built = ""
        for part in path.split(separator: "/") {
            built += "/" + part
            if mkdir(built, built == path ? 0o700 : 0o755) == 0 || errno == EEXIST { continue }
            throw SettingsError("state_directory: \(built) cannot be created: \(PlainFile.reason(errno))")
        }
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw SettingsError("state_directory: \(path) is not a directory")
        }
        guard access(path, R_OK | W_OK | X_OK) == 0 else {
            throw SettingsError("state_directory: \(path) cannot be written by this user")
        }
    }
}
