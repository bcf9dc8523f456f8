/// The one event loop of a worker process, as an isolation domain.
///
/// Everything a worker keeps in memory (connections, pools, exchanges) is `@WorkerLoop`: confined to that loop's
/// thread, checked by the compiler, without locks. Code of this domain may await only ports that resume here.
/// - Set up: `WorkerLoop.install(_:)` once, before the first use, by the worker's composition root.
@globalActor
package actor WorkerLoop {
    package static let shared = WorkerLoop()

    // SAFETY: written once by `install` before any other thread or task exists, read only afterwards.
    nonisolated(unsafe) private static var executor: (any SerialExecutor)?

    /// Names the executor that runs this domain. Must be called exactly once, first thing in the process.
    package static func install(_ executor: any SerialExecutor) {
        precondition(Self.executor == nil, "WorkerLoop is installed twice")
        Self.executor = executor
    }

    package nonisolated var unownedExecutor: UnownedSerialExecutor {
        guard let executor = Self.executor else { preconditionFailure("WorkerLoop is used before it is installed") }
        return executor.asUnownedSerialExecutor()
    }

    /// Runs `body` now; traps when the caller is not on the loop. For callbacks of NIO, which the compiler cannot place.
    package static nonisolated func onLoop<T: Sendable>(_ body: @WorkerLoop () throws -> T) rethrows -> T {
        try Self.shared.assumeIsolated { _ in
            // SAFETY: isolation to the shared instance and to the global actor are the same executor.
            try withoutActuallyEscaping(body) { try unsafeBitCast($0, to: (() throws -> T).self)() }
        }
    }
}
