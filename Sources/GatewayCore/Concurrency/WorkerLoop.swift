/// The one event loop of a worker process, as an isolation domain.
///
/// Everything a worker keeps in memory (connections, pools, exchanges) is `@WorkerLoop`: confined to that loop's
/// thread, checked by the compiler, without locks. Code of this domain may await only ports that resume here.
/// - Set up: `WorkerLoop.install(_:)` once, before the first use, by the worker's composition root.
@globalActor
package actor WorkerLoop {
    package static let shared = WorkerLoop()

    // SAFETY: written once by `install` before any other thread or task exists, read only afterwards.
    nonisolated(unsafe) private static var executor: (any SerialExecutor & TaskExecutor)?
    // SAFETY: as above.
    nonisolated(unsafe) private static var reach = ExecutorReach.workerLoop

    /// Names the executor that runs this domain.
    ///
    /// Must be called exactly once, first thing in the process.
    package static func install(
        _ executor: any SerialExecutor & TaskExecutor, reach: ExecutorReach = .workerLoop
    ) {
        precondition(Self.executor == nil, "WorkerLoop is installed twice")
        Self.executor = executor
        Self.reach = reach
        unowned = executor.asUnownedSerialExecutor()
    }

    // SAFETY: as above; a copy without an owner, because it is asked for dozens of times per request.
    nonisolated(unsafe) private static var unowned: UnownedSerialExecutor?

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        guard let unowned = Self.unowned else { preconditionFailure("WorkerLoop is used before it is installed") }
        return unowned
    }

    private static nonisolated var installed: any SerialExecutor & TaskExecutor {
        guard let executor else { preconditionFailure("WorkerLoop is used before it is installed") }
        return executor
    }

    /// Starts control flow on the loop, from the loop.
    ///
    /// Where the executor runs the worker loop only, it is the task's preference as well as its isolation: without the
    /// preference, whatever resumes the task takes a detour over the concurrency library's own threads (measured:
    /// 30 µs per request). Where it runs everything, a preference would only be looked up, behind a lock, whenever an
    /// asynchronous function is called or returns.
    package static nonisolated func start(_ work: @escaping @WorkerLoop @Sendable () async -> Void) {
        switch reach {
        case .workerLoop: Task(executorPreference: installed) { await work() }
        case .process: Task { @WorkerLoop in await work() }
        }
    }

    /// Runs `body` now, on the loop; debug builds trap when the caller is elsewhere.
    ///
    /// For callbacks of NIO, which the compiler cannot place. Handlers do without: their conformance is isolated.
    @inline(__always)
    package static nonisolated func onLoop<T: Sendable>(_ body: @WorkerLoop () throws -> T) rethrows -> T {
        #if DEBUG
            shared.preconditionIsolated()
        #endif
        // SAFETY: isolation does not change how a function is called, only from where it may be; NIO calls back on the
        // loop of the channel or task, and a worker has one loop.
        return try withoutActuallyEscaping(body) { try unsafeBitCast($0, to: (() throws -> T).self)() }
    }
}

/// Which jobs the worker loop's executor runs.
package enum ExecutorReach: Sendable {
    /// Those of the worker loop, in a process that has others as well.
    case workerLoop
    /// Every job of the process.
    case process
}
