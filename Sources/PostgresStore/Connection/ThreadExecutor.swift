import Foundation

/// A thread that runs the jobs of the actors pinned to it, one after the other, and may block.
///
/// libpq waits for the server inside a call; on its own thread nobody else waits with it.
final class ThreadExecutor: SerialExecutor {
    // SAFETY: `jobs` and `stopped` are read and written only with `condition` locked. A lock, because the thread
    // has to sleep until there is a job, which neither an actor nor a loop can express.
    private let condition = NSCondition()
    nonisolated(unsafe) private var jobs: [UnownedJob] = []
    nonisolated(unsafe) private var stopped = false

    init(name: String) {
        let thread = Thread { [self] in run() }
        thread.name = name
        thread.stackSize = 1 << 20
        thread.start()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        condition.lock()
        unsafe jobs.append(unowned)
        condition.signal()
        condition.unlock()
    }

    /// Ends the thread once its queue is empty.
    ///
    /// Nothing may be enqueued afterwards.
    func stop() {
        condition.lock()
        unsafe stopped = true
        condition.signal()
        condition.unlock()
    }

    private func run() {
        var batch: [UnownedJob] = []
        while true {
            condition.lock()
            while unsafe jobs.isEmpty, unsafe !stopped { condition.wait() }
            let isDone = unsafe jobs.isEmpty && stopped
            unsafe swap(&batch, &jobs)
            condition.unlock()
            if isDone { return }
            for job in batch { unsafe job.runSynchronously(on: asUnownedSerialExecutor()) }
            batch.removeAll(keepingCapacity: true)
        }
    }
}
