package import NIOCore

/// One connection with a thread of its own; connects when it is needed and again after it broke.
package actor PostgresSession {
    private nonisolated let executor: ThreadExecutor
    package nonisolated var unownedExecutor: UnownedSerialExecutor { unsafe executor.asUnownedSerialExecutor() }

    private let options: PostgresOptions
    private let lockTimeout: Duration?
    private let monitor: PostgresHealthMonitor
    private var connection: LibPQConnection?
    private var retryAt: ContinuousClock.Instant?
    private var lastProblem = ""
    private var isInTransaction = false

    /// - Parameter lockTimeout: how long a statement waits for a lock; nil: as long as it may take.
    package init(
        _ options: PostgresOptions, lockTimeout: Duration? = nil,
        monitor: PostgresHealthMonitor = PostgresHealthMonitor()
    ) {
        self.options = options
        self.lockTimeout = lockTimeout
        self.monitor = monitor
        executor = ThreadExecutor(name: "postgres")
    }

    deinit { executor.stop() }

    /// Runs one statement.
    package func query(_ query: PostgresQuery) throws(PostgresError) -> PostgresRows {
        let connection = try open()
        return PostgresRows(
            try checked { () throws(PostgresError) in
                try connection.execute(query, within: options.statementTimeout)
            })
    }

    /// Runs one statement.
    package func query(
        _ sql: StaticString, _ values: [PostgresValue] = []
    ) throws(PostgresError) -> PostgresRows {
        try query(PostgresQuery(sql, values))
    }

    /// Runs several statements that come from a migration file.
    func run(script: String, within limit: Duration) throws(PostgresError) {
        let connection = try open()
        try checked { () throws(PostgresError) in try connection.run(script: script, within: limit) }
    }

    /// Runs `COPY … FROM STDIN` with the given data; returns the number of rows.
    @discardableResult
    package func copyIn(_ statement: PostgresQuery, _ data: [ByteBuffer]) throws(PostgresError) -> Int {
        let connection = try open()
        return try checked { () throws(PostgresError) in
            try connection.copyIn(statement, data, within: options.statementTimeout)
        }
    }

    /// Waits up to `limit` for notifications on the channels this session listens to; returns their payloads.
    func notifications(within limit: Duration) throws(PostgresError) -> [String] {
        let connection = try open()
        return try checked { () throws(PostgresError) in try connection.notifications(within: limit) }
    }

    package func begin(_ mode: PostgresTransactionMode = .readWrite) throws(PostgresError) {
        _ = try query(mode.statement, [])
        isInTransaction = true
    }

    /// Tells the transaction on whose behalf the present task changes the database, and takes its turn where it has to.
    package func sign(_ mode: PostgresTransactionMode = .readWrite) throws(PostgresError) {
        guard let statement = mode.signature else { return }
        _ = try query(statement, [.text(ChangeAuthor.current.text)])
    }

    package func commit() throws(PostgresError) {
        guard isInTransaction else {
            throw PostgresError(.unavailable, "the connection broke during the transaction")
        }
        defer { isInTransaction = false }
        do throws(PostgresError) {
            _ = try query("COMMIT", [])
        } catch {
            connection = nil
            throw error
        }
    }

    /// Undoes the transaction; a connection that cannot even do that is dropped.
    package func rollback() {
        guard isInTransaction else { return }
        do throws(PostgresError) {
            _ = try query("ROLLBACK", [])
        } catch {
            connection = nil
        }
        isInTransaction = false
    }

    /// Whether the connection was made anew since the last call, so that its session state is gone.
    package var hasReconnected: Bool {
        defer { reconnected = false }
        return reconnected
    }
    private var reconnected = false

    /// Closes the connection; the next operation opens another.
    package func close() {
        connection = nil
        isInTransaction = false
    }

    /// Gives up on a connection whose transaction was left in an unknown state.
    private func checked<T>(_ body: () throws(PostgresError) -> T) throws(PostgresError) -> T {
        do throws(PostgresError) {
            let value = try body()
            monitor.noteAvailable()
            return value
        } catch {
            if error.kind == .unavailable {
                // 57014 is the statement's own time limit: the server is well.
                if !error.isOverTime { monitor.noteUnavailable(error.message) }
                connection = nil
                isInTransaction = false
            }
            throw error
        }
    }

    private static func milliseconds(_ duration: Duration) -> String {
        "\(duration.components.seconds * 1000 + duration.components.attoseconds / 1_000_000_000_000_000)"
    }

    private func open() throws(PostgresError) -> LibPQConnection {
        if let connection {
            if isInTransaction || connection.isUsable() { return connection }
            self.connection = nil
        }
        if isInTransaction {
            throw PostgresError(.unavailable, "the connection broke during the transaction")
        }
        if let retryAt, ContinuousClock.now < retryAt { throw PostgresError(.unavailable, lastProblem) }
        do throws(PostgresError) {
            let fresh = try LibPQConnection(options)
            let limit = max(options.statementTimeout - .milliseconds(500), .milliseconds(100))
            _ = try fresh.execute(
                PostgresQuery(
                    """
                    SELECT set_config('statement_timeout', $1, false), set_config('lock_timeout', $2, false),
                        set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO, YMD', false), set_config('bytea_output', 'hex', false),
                        set_config('idle_in_transaction_session_timeout', '60000', false),
                        set_config('extra_float_digits', '1', false)
                    """,
                    [.text(Self.milliseconds(limit)), .text(Self.milliseconds(lockTimeout ?? .zero))]
                ),
                within: options.connectTimeout
            )
            connection = fresh
            reconnected = true
            retryAt = nil
            return fresh
        } catch {
            lastProblem = error.message
            retryAt = .now + options.reconnectDelay
            monitor.noteUnavailable(error.message)
            throw PostgresError(.unavailable, error.message, sqlState: error.sqlState)
        }
    }
}

/// What a transaction may do and see.
package enum PostgresTransactionMode: Sendable {
    case readWrite
    /// Changes configuration, one such transaction after the other: what it reads first, nobody else changes before it
    /// ends, and no two of them ever wait for each other.
    case configuration
    /// Every statement sees the same state of the database.
    case snapshot

    var statement: StaticString {
        switch self {
        case .readWrite, .configuration: "BEGIN"
        case .snapshot: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        }
    }

    /// Notes the author (`$1`) and takes what is to be locked before anything else; nil when nothing is changed.
    fileprivate var signature: StaticString? {
        switch self {
        case .readWrite: "SELECT set_config('aigatewayd.author', $1, true)"
        // Every change takes this lock, its trigger at the latest. Whoever had locked other rows by then would wait for
        // one who waits for these rows.
        case .configuration:
            """
            SELECT set_config('aigatewayd.author', $1, true)
            FROM (SELECT version FROM config_version FOR NO KEY UPDATE) AS turn
            """
        case .snapshot: nil
        }
    }
}
