/// A file of declarations on disk, or what comes over a pipe.
package enum DeclarationsFile {
    /// Bytes; longer ones are refused.
    package static let largest = 8 << 20

    /// - Parameter path: `-` is standard input.
    package static func read(_ path: String) throws(SettingsError) -> [UInt8] {
        try PlainFile.read(path == "-" ? "/dev/stdin" : path, atMost: largest)
    }
}
