/// Starts one-shot timers on the loop.
@WorkerLoop
package protocol Timers: AnyObject {
    /// Runs `action` once after `delay`, unless the returned hook is cancelled first.
    @discardableResult
    func after(_ delay: Duration, _ action: @escaping @WorkerLoop () -> Void) -> CancelHook
}
