package import GatewayCore

/// How a PostgreSQL server is reached and how long it is waited for.
package struct PostgresOptions: Sendable {
    /// `postgres://…` or a libpq connection string.
    ///
    /// May hold a password, so it never appears in messages.
    package var url: Secret<String>
    /// What `pg_stat_activity` shows.
    package var applicationName: String
    /// Longest wait for a connection.
    package var connectTimeout: Duration
    /// Longest wait for one statement; the server is told a little less (`statement_timeout`).
    package var statementTimeout: Duration
    /// How long after a failed attempt to connect operations fail at once instead of trying again.
    package var reconnectDelay: Duration

    package init(url: String, applicationName: String = "aigatewayd") {
        self.url = Secret(url)
        self.applicationName = applicationName
        connectTimeout = .seconds(2)
        statementTimeout = .seconds(15)
        reconnectDelay = .milliseconds(250)
    }
}
