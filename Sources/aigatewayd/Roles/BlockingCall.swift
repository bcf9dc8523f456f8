import Foundation

/// A thread for a call that waits for the operating system.
enum BlockingCall {
    /// Runs `body` on a thread of its own until it returns.
    static func start(_ body: @escaping @Sendable () -> Void) {
        Thread.detachNewThread(body)
    }
}
