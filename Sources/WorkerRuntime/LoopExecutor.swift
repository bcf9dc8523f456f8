package import GatewayCore
package import NIOCore

/// Runs the worker's asynchronous control flow on its event loop, one batch per wake-up.
///
/// Jobs queue up while the loop handles its sockets and run together afterwards, in one *turn*: first every job until
/// none is left, then the `atTurnEnd` actions. So what all requests of one wake-up produced can be written to disk and
/// to sockets with one call each.
package final class LoopExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
    // SAFETY: everything mutable is touched on the loop's thread only; `enqueue` moves there first.
    package let loop: any EventLoop
    private var jobs: [UnownedJob] = []
    private var isTurnScheduled = false
    private let reach: ExecutorReach
    private var turnEnd: [@WorkerLoop () -> Void] = []

    package init(loop: any EventLoop, reach: ExecutorReach = .workerLoop) {
        self.loop = loop
        self.reach = reach
        jobs.reserveCapacity(256)
    }

    package func enqueue(_ job: consuming ExecutorJob) {
        let unowned = UnownedJob(job)
        if loop.inEventLoop {
            jobs.append(unowned)
            scheduleTurn()
        } else {
            loop.execute {
                self.jobs.append(unowned)
                self.scheduleTurn()
            }
        }
    }

    /// Makes sure that a turn follows the socket events now being handled.
    ///
    /// On the loop only.
    package func scheduleTurn() {
        guard !isTurnScheduled else { return }
        isTurnScheduled = true
        loop.execute { self.turn() }
    }

    /// Adds an action that runs at the end of every turn, in the order of addition.
    ///
    /// On the loop only.
    package func atTurnEnd(_ action: @escaping @WorkerLoop () -> Void) { turnEnd.append(action) }

    private func turn() {
        var next = 0
        // Jobs may enqueue further jobs; they belong to this turn.
        while next < jobs.count {
            let job = jobs[next]
            next += 1
            switch reach {
            case .workerLoop:
                job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
            case .process: job.runSynchronously(on: asUnownedSerialExecutor())
            }
        }
        jobs.removeAll(keepingCapacity: true)
        isTurnScheduled = false
        for action in turnEnd { WorkerLoop.onLoop { action() } }
    }

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }

    package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    package func checkIsolated() {
        precondition(loop.inEventLoop, "worker state is touched outside its loop")
    }

    package func isIsolatingCurrentContext() -> Bool? { loop.inEventLoop }
}
