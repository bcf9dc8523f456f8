import Glibc
import ProcessRuntime

/// The claim of one running daemon to its state directory; ends with the process, however it ends.
struct DirectoryLock {
    private let file: OwnedDescriptor

    init(stateDirectory: String) throws(SupervisorError) {
        let path = stateDirectory + "/lock"
        let number = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard number >= 0 else { throw Files.failed("write", path) }
        file = OwnedDescriptor(number)
        guard flock(number, LOCK_EX | LOCK_NB) == 0 else {
            let holder = (Files.text(path) ?? "").split(separator: "\n").first.map { " (process \($0))" } ?? ""
            throw SupervisorError(.unavailable, "another aigatewayd\(holder) uses \(stateDirectory)")
        }
        ftruncate(number, 0)
        let text = Array("\(getpid())\n".utf8)
        _ = text.withUnsafeBytes { pwrite(number, $0.baseAddress, $0.count, 0) }
    }
}
