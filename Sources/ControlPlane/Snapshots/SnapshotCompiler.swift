package import GatewayCore
package import PostgresStore

/// Turns the configuration tables into snapshots and hands each new one on.
///
/// Follows the database's notifications and looks by itself every two seconds, so that a lost notification costs two
/// seconds and not the change. While PostgreSQL is away nothing is handed on: the last good snapshot stays in force.
package actor SnapshotCompiler {
    package enum Event: Sendable, Equatable {
        case compiled(version: UInt64, gateways: Int)
        /// Why a snapshot could not be made; told once per outage.
        case failed(String)
    }

    /// Changes that arrive within this time share one snapshot.
    private static let debounce: Duration = .milliseconds(5)

    private let configuration: ConfigurationRepository
    private let pool: PostgresPool
    private let publish: @Sendable (ConfigSnapshot) async -> Void
    private let report: @Sendable (Event) -> Void
    private let references: ReferenceResolver?
    private let checkInterval: Duration
    private let wakeUps: AsyncStream<Void>
    private nonisolated let waker: AsyncStream<Void>.Continuation
    private var published: UInt64?
    private var isFailing = false
    /// Whether values from outside changed since the last snapshot.
    private var isStale = false

    /// - Parameters:
    ///   - references: finds the values of secrets that point outside; nil leaves these secrets out.
    ///   - checkInterval: how often it looks without having been notified.
    ///   - publish: writes the snapshot to disk and sends it to the workers; called for one at a time.
    ///   - report: for the process log.
    package init(
        _ pool: PostgresPool, references: ReferenceResolver? = nil, checkInterval: Duration = .seconds(2),
        publish: @escaping @Sendable (ConfigSnapshot) async -> Void,
        report: @escaping @Sendable (Event) -> Void
    ) {
        self.pool = pool
        configuration = ConfigurationRepository(pool)
        self.references = references
        self.checkInterval = checkInterval
        self.publish = publish
        self.report = report
        (wakeUps, waker) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// Version of the last snapshot that was handed on; nil before the first.
    package var version: UInt64? { published }

    /// Asks for a look at the database now.
    package nonisolated func nudge() { waker.yield() }

    /// Works until the task is cancelled.
    package func run() async {
        let waker = waker
        let session = pool.makeSession()
        await withDiscardingTaskGroup { group in
            group.addTask {
                await PostgresListener(session).run(.configuration) { event in
                    switch event {
                    case .listening, .notified: waker.yield()
                    case .lost: break
                    }
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    waker.yield()
                    try? await Task.sleep(for: self.checkInterval)
                }
            }
            if let references {
                group.addTask { await references.run() }
                group.addTask {
                    for await _ in references.changes { await self.valuesChanged() }
                }
            }
            for await _ in wakeUps {
                try? await Task.sleep(for: Self.debounce)
                if Task.isCancelled { break }
                await compileIfChanged()
            }
            group.cancelAll()
        }
    }

    /// Makes and hands on a snapshot unless the last one is still current; returns whether one is in force.
    @discardableResult
    package func compileIfChanged() async -> Bool {
        do {
            let current = try await configuration.version()
            if current == published, !isStale { return true }
            let content = try await configuration.content()
            var snapshot = content.snapshot
            isStale = false
            if let references {
                let values = await references.resolve(content.references, version: snapshot.version)
                snapshot.secrets += content.callable(values)
            }
            await publish(snapshot)
            published = snapshot.version
            isFailing = false
            report(.compiled(version: snapshot.version, gateways: snapshot.gateways.count))
            return true
        } catch {
            if !isFailing { report(.failed("\(error)")) }
            isFailing = true
            return false
        }
    }

    /// Has the present version handed on once more, with other values.
    private func valuesChanged() {
        isStale = true
        waker.yield()
    }

    /// Waits until a snapshot that contains `version` was handed on, at most `limit`; false when that did not happen.
    @discardableResult
    package func wait(for version: UInt64, atMost limit: Duration) async -> Bool {
        let deadline = ContinuousClock.now + limit
        nudge()
        while (published ?? 0) < version {
            guard ContinuousClock.now < deadline, !Task.isCancelled else { return false }
            try? await Task.sleep(for: .milliseconds(2))
        }
        return true
    }
}
