package import GatewayCore
package import NIOCore

/// One-shot timers on the worker's loop.
@WorkerLoop
package final class LoopTimer: Timers {
    private let loop: any EventLoop
    package init(loop: any EventLoop) { self.loop = loop }

    /// Runs `action` once after `delay`, unless the returned hook is cancelled first.
    @discardableResult
    package func after(_ delay: Duration, _ action: @escaping @WorkerLoop () -> Void) -> CancelHook {
        let hook = CancelHook()
        let task = loop.scheduleTask(in: .microseconds(delay.wholeMicroseconds)) {
            WorkerLoop.onLoop { if !hook.isCancelled { action() } }
        }
        hook.onCancel { task.cancel() }
        return hook
    }
}
