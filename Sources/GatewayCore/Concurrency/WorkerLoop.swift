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

    /// Names the executor that runs this domain.
    ///
    /// Must be called exactly once, first thing in the process.
    package static func install(_ executor: any SerialExecutor & TaskExecutor) {
        precondition(Self.executor == nil, "WorkerLoop is installed twice")
        Self.executor = executor
        unowned = executor.asUnownedSerialExecutor()
    }

    // SAFETY: as above; a copy without an owner, because it is asked for dozens of times per request.
    nonisolated(unsafe) private static var unowned: UnownedSerialExecutor?

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        guard let unowned = Self.unowned else { preconditionFailure("WorkerLoop is used before it is installed") }
        return unowned
    }

    /// Starts control flow on the loop, from the loop.
    ///
    /// The closure's isolation puts the first job on the loop's executor at once. An executor preference would do the
    /// same, and be looked up again under a lock at every suspension.
    package static nonisolated func start(_ work: @escaping @WorkerLoop @Sendable () async -> Void) {
        Task { @WorkerLoop in await work() }
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
