import Synchronization

/// A few connections that share the statements of many callers.
///
/// While the server is away every operation fails within the connect time-out with `.unavailable`, most of them at
/// once; connections come back by themselves.
package final class PostgresPool: Sendable {
    private struct State {
        var idle: [PostgresSession]
        var waiters: [(id: UInt64, continuation: CheckedContinuation<PostgresSession?, Never>)] = []
        var nextWaiter: UInt64 = 0
        var cancelled: Set<UInt64> = []
    }
    // A lock, because a session is handed from one caller to the next without a hop to a third party in between.
    private let state: Mutex<State>
    private let monitor: PostgresHealthMonitor
    private let options: PostgresOptions
    /// Callers beyond this number are told that the database is unavailable.
    private let maxWaiters: Int
    /// The connection of the transaction that everything is a part of; nil: every transaction is one of its own.
    private let joined: PostgresSession?

    package init(_ options: PostgresOptions, size: Int = 4, maxWaiters: Int = 512) {
        let monitor = PostgresHealthMonitor()
        self.monitor = monitor
        self.options = options
        self.maxWaiters = maxWaiters
        joined = nil
        state = Mutex(State(idle: (0..<max(1, size)).map { _ in PostgresSession(options, monitor: monitor) }))
    }

    private init(joining transaction: PostgresTransaction, of pool: PostgresPool) {
        monitor = pool.monitor
        options = pool.options
        maxWaiters = pool.maxWaiters
        joined = transaction.session
        state = Mutex(State(idle: []))
    }

    /// A pool whose statements and transactions all happen within `transaction`: with it they last or are undone.
    ///
    /// So use cases that each have a transaction of their own can be put together to one. Valid as long as that is.
    package func joining(_ transaction: PostgresTransaction) -> PostgresPool {
        PostgresPool(joining: transaction, of: self)
    }

    package convenience init(url: String, size: Int = 4) { self.init(PostgresOptions(url: url), size: size) }

    /// Whether the server answered when it was last asked.
    package var health: PostgresHealth { monitor.current }

    /// The present health, then every change of it.
    package func healthChanges() -> AsyncStream<PostgresHealth> { monitor.changes() }

    /// A connection of its own for somebody who keeps it: the record writer, a listener.
    ///
    /// It waits half as long for a lock as for a statement, so that what somebody holds up (55P03, doing it again helps)
    /// is told apart from what takes too long.
    package func makeSession() -> PostgresSession {
        PostgresSession(options, lockTimeout: options.statementTimeout / 2, monitor: monitor)
    }

    /// Runs one statement outside of a transaction.
    package func query(
        _ sql: StaticString, _ values: [PostgresValue] = []
    ) async throws(PostgresError) -> PostgresRows {
        try await query(PostgresQuery(sql, values))
    }

    /// Runs one statement outside of a transaction.
    package func query(_ query: PostgresQuery) async throws(PostgresError) -> PostgresRows {
        if let joined { return try await PostgresTransaction(session: joined, standing: .part).query(query) }
        let session = try await checkOut()
        defer { checkIn(session) }
        return try await session.query(query)
    }

    /// Sends one statement that changes something, in a transaction that knows whoever asked for it.
    package func change(
        _ sql: StaticString, _ values: [PostgresValue] = []
    ) async throws(PostgresError) -> PostgresRows {
        if joined != nil { return try await query(sql, values) }
        let session = try await checkOut()
        defer { checkIn(session) }
        try await session.begin(.readWrite)
        do throws(PostgresError) {
            try await session.sign()
            let rows = try await session.query(sql, values)
            try await session.commit()
            return rows
        } catch {
            await session.rollback()
            throw error
        }
    }

    /// Runs `body` in one transaction: committed when it returns, undone when it throws.
    ///
    /// - Parameter mode: of no effect in a pool that joins a transaction.
    package func transaction<T: Sendable>(
        _ mode: PostgresTransactionMode = .readWrite,
        _ body: (PostgresTransaction) async throws -> T
    ) async throws -> T {
        if let joined { return try await body(PostgresTransaction(session: joined, standing: .part)) }
        let session = try await checkOut()
        defer { checkIn(session) }
        try await session.begin(mode)
        do {
            try await session.sign(mode)
            let value = try await body(PostgresTransaction(session: session))
            try await session.commit()
            return value
        } catch {
            await session.rollback()
            throw error
        }
    }

    /// Asks the server whether it is there, which brings `health` up to date.
    @discardableResult
    package func probe() async -> PostgresHealth {
        do throws(PostgresError) { _ = try await query("SELECT 1") } catch { _ = error }
        return health
    }

    /// Closes the connections that are not in use.
    package func close() async {
        for session in state.withLock({ $0.idle }) { await session.close() }
    }

    private func checkOut() async throws(PostgresError) -> PostgresSession {
        let (ready, ticket): (PostgresSession?, UInt64?) = state.withLock { state in
            if let session = state.idle.popLast() { return (session, nil) }
            guard state.waiters.count < maxWaiters else { return (nil, nil) }
            state.nextWaiter += 1
            return (nil, state.nextWaiter)
        }
        if let ready { return ready }
        guard let ticket else { throw PostgresError(.unavailable, "too many callers wait for a connection") }
        let session = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<PostgresSession?, Never>) in
                // A session may have come back, or the caller may have gone, since the ticket was taken.
                enum Outcome { case take(PostgresSession), leave, wait }
                let outcome: Outcome = state.withLock { state in
                    if state.cancelled.remove(ticket) != nil { return .leave }
                    if let session = state.idle.popLast() { return .take(session) }
                    state.waiters.append((ticket, continuation))
                    return .wait
                }
                switch outcome {
                case .take(let session): continuation.resume(returning: session)
                case .leave: continuation.resume(returning: nil)
                case .wait: break
                }
            }
        } onCancel: {
            let waiting = state.withLock { state -> CheckedContinuation<PostgresSession?, Never>? in
                guard let index = state.waiters.firstIndex(where: { $0.id == ticket }) else {
                    state.cancelled.insert(ticket)
                    return nil
                }
                return state.waiters.remove(at: index).continuation
            }
            waiting?.resume(returning: nil)
        }
        state.withLock { _ = $0.cancelled.remove(ticket) }
        guard let session else { throw PostgresError(.cancelled, "the caller no longer waits") }
        return session
    }

    private func checkIn(_ session: PostgresSession) {
        let next = state.withLock { state -> CheckedContinuation<PostgresSession?, Never>? in
            if state.waiters.isEmpty {
                state.idle.append(session)
                return nil
            }
            return state.waiters.removeFirst().continuation
        }
        next?.resume(returning: session)
    }
}

/// A transaction under way; valid only inside the closure that received it.
package struct PostgresTransaction: Sendable {
    /// Whether it ends on its own or with another one that it is a part of.
    enum Standing: Sendable { case whole, part }

    let session: PostgresSession
    private(set) var standing = Standing.whole

    package func query(
        _ sql: StaticString, _ values: [PostgresValue] = []
    ) async throws(PostgresError) -> PostgresRows {
        try await query(PostgresQuery(sql, values))
    }

    package func query(_ query: PostgresQuery) async throws(PostgresError) -> PostgresRows {
        do throws(PostgresError) {
            return try await session.query(query)
        } catch {
            // A part cannot be tried again by itself; whoever runs the whole can. Names are looked up before they are
            // taken, so one that is there all the same was taken meanwhile.
            guard standing == .part, error.isTransient || error.isUniqueViolation else { throw error }
            throw PostgresError(.unavailable, error.message, constraint: error.constraint)
        }
    }
}
