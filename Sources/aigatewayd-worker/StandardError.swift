import Glibc

/// For the few words that are said before there is a log.
enum StandardError {
    static func say(_ line: String) {
        var text = line + "\n"
        text.withUTF8 { bytes in _ = write(STDERR_FILENO, bytes.baseAddress, bytes.count) }
    }
}
