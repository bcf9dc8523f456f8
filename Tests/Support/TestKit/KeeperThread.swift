import Foundation

/// A thread that lives as long as the process and starts the children.
///
/// A child's death signal is tied to the thread that started it, and threads of the concurrency pool come and go.
final class KeeperThread: Sendable {
    static let shared = KeeperThread()

    // SAFETY: `work` is read and written only with `condition` locked.
    private let condition = NSCondition()
    nonisolated(unsafe) private var work: [@Sendable () -> Void] = []

    private init() {
        Thread { [self] in
            while true {
                condition.lock()
                while work.isEmpty { condition.wait() }
                let next = work.removeFirst()
                condition.unlock()
                next()
            }
        }.start()
    }

    /// Runs `body` on the thread and waits for its result.
    func run<T: Sendable>(_ body: @escaping @Sendable () throws -> T) throws -> T {
        // SAFETY: written by the keeper before the semaphore is signalled, read after it.
        nonisolated(unsafe) var result: Result<T, any Error>?
        let done = DispatchSemaphore(value: 0)
        condition.lock()
        work.append {
            result = Result { try body() }
            done.signal()
        }
        condition.signal()
        condition.unlock()
        done.wait()
        guard let result else { preconditionFailure("the keeper signals after it has a result") }
        return try result.get()
    }
}
