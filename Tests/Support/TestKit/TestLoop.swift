import GatewayCore
package import NIOCore
import NIOPosix
package import WorkerRuntime

/// The worker loop of a test process: installed once, shared by all its tests.
package enum TestLoop {
    package static let executor: LoopExecutor = {
        let executor = LoopExecutor(loop: MultiThreadedEventLoopGroup(numberOfThreads: 1).next())
        WorkerLoop.install(executor)
        return executor
    }()

    package static var loop: any EventLoop { executor.loop }

    /// Runs `body` on the worker loop.
    package static func run<T: Sendable>(
        _ body: @WorkerLoop @Sendable () async throws -> T
    ) async rethrows -> T {
        _ = executor
        return try await body()
    }
}
