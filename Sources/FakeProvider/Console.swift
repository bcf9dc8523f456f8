import Glibc

/// One write per line, unbuffered, so that a reader of the pipe sees it at once.
enum Console {
    static func say(_ line: String) { put(line, on: STDOUT_FILENO) }

    static func complain(_ line: String) { put(line, on: STDERR_FILENO) }

    private static func put(_ line: String, on descriptor: Int32) {
        let bytes = Array((line + "\n").utf8)
        _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    }
}
