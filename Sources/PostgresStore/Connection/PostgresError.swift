/// Why an operation on PostgreSQL has no result.
package struct PostgresError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: Sendable, Equatable {
        /// The server cannot be reached, is starting or stopping, or did not answer in time; a caller may answer 503.
        /// Whether a change that was under way has happened is unknown.
        case unavailable
        /// The server refused the statement; `sqlState` says why.
        case refused
        /// A row does not have the form its reader expects: a fault of this program or of the schema.
        case unexpectedResult
        /// The caller gave up.
        case cancelled
    }

    package var kind: Kind
    /// Five characters of SQLSTATE, when the server spoke.
    package var sqlState: String?
    /// For the log.
    ///
    /// Holds no bound values: neither `DETAIL` nor `CONTEXT` of the server is kept.
    package var message: String
    /// Name of the constraint that was violated.
    package var constraint: String?

    package init(_ kind: Kind, _ message: String, sqlState: String? = nil, constraint: String? = nil) {
        self.kind = kind
        self.message = message
        self.sqlState = sqlState
        self.constraint = constraint
    }

    package var isUnavailable: Bool { kind == .unavailable }
    package var isUniqueViolation: Bool { sqlState == "23505" }
    package var isForeignKeyViolation: Bool { sqlState == "23503" }
    package var isCheckViolation: Bool { sqlState == "23514" }
    /// Two transactions met; doing it again is safe and sensible.
    package var isTransient: Bool { sqlState == "40001" || sqlState == "40P01" || sqlState == "55P03" }
    /// The statement ran into its time limit, or was cancelled by hand, on a server that is well.
    package var isOverTime: Bool { sqlState == "57014" }

    /// Whether the values are to blame, so that the same statement with others may succeed: data exceptions, violated
    /// constraints, exceeded limits of size.
    package var isAboutContent: Bool {
        guard kind == .refused, let sqlState else { return false }
        return sqlState.hasPrefix("22") || sqlState.hasPrefix("23") || sqlState.hasPrefix("54")
    }

    /// Whether it is this statement that fails, and not the server that is away or two transactions that met: doing it
    /// again at once is of no use, doing something else is, or doing it with fewer rows.
    package var isOfStatement: Bool {
        switch kind {
        case .unavailable: isOverTime
        case .refused: !isTransient
        case .unexpectedResult: true
        case .cancelled: false
        }
    }

    package var description: String {
        "PostgreSQL: \(message)" + (sqlState.map { " (\($0))" } ?? "")
    }

    /// Whether a SQLSTATE means that the server is going away, coming up, or out of resources.
    static func isUnavailability(_ sqlState: String) -> Bool {
        switch sqlState {
        // connection exceptions, insufficient resources; shutdown, crash, cannot connect now; cancelled by
        // statement_timeout; read-only standby after a failover; disk full and I/O errors.
        case "57P01", "57P02", "57P03", "57014", "25006", "58030": true
        default: sqlState.hasPrefix("08") || sqlState.hasPrefix("53")
        }
    }
}
