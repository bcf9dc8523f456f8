package import GatewayCore

/// One reading of a file of declarations by a node's supervisor: what is applied once.
package struct DeclarationReading: Sendable {
    /// How a reading stands to those that were applied before.
    package enum Standing: Sendable, Equatable {
        /// To be applied.
        case new
        /// Was applied, or says what is in force: nothing is left to do.
        case applied
        /// What another reading found later is in force.
        case superseded
        /// Did not fit when it was tried.
        case refused
    }

    /// By the node's clock; with the digest, its name.
    let readAt: Instant
    /// SHA-256 of the content, 32 bytes.
    let digest: [UInt8]
    /// Name of the file, for people.
    let file: String
    /// When it was read, by a clock that nobody sets.
    private let moment: ContinuousClock.Instant

    /// - Parameter now: the time of the clock that `readAt` is of.
    package init(readAt: Instant, now: Instant, digest: [UInt8], file: String) {
        self.readAt = readAt
        self.digest = digest
        self.file = file
        moment = .now - .microseconds(max(0, now.microseconds - readAt.microseconds))
    }

    /// How long ago it was.
    fileprivate var age: PostgresValue {
        .int(max(0, Int((ContinuousClock.now - moment) / .microseconds(1))))
    }
}

/// The readings that were applied or refused, one account at a time.
package struct DeclarationReadingRepository: Sendable {
    /// Readings of an account that are remembered, besides the one in force: more than all nodes of a fleet make in a
    /// year.
    ///
    /// One that is forgotten is older than the one in force, and not applied again for that reason.
    private static let remembered = 1000

    private let pool: PostgresPool

    /// - Parameter pool: one that joins the transaction in which the reading is applied.
    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Whether a reading is to be applied.
    package func standing(
        of reading: DeclarationReading, in account: AccountID
    ) async throws(PostgresError) -> DeclarationReading.Standing {
        let rows = try await pool.query(
            """
            SELECT own.outcome, newest.digest = $3 AS is_in_force,
                newest.read_at >= clock_timestamp() - $4::bigint * interval '1 microsecond' AS is_newer
            FROM (VALUES (true)) AS one
                LEFT JOIN declaration_readings own ON own.account_id = $1 AND own.reading = $2 AND own.digest = $3
                LEFT JOIN LATERAL (
                    SELECT digest, read_at FROM declaration_readings
                    WHERE account_id = $1 AND outcome = 'applied' ORDER BY read_at DESC, noted_at DESC LIMIT 1
                ) AS newest ON true
            """,
            [.text(account.rawValue), .int(Int(reading.readAt.microseconds)), .bytes(reading.digest), reading.age]
        )
        guard let row = rows.first else { throw PostgresError(.unexpectedResult, "no row about a reading") }
        let isInForce = try row.boolOrNil("is_in_force") ?? false
        let isNewer = try row.boolOrNil("is_newer") ?? false
        switch try row.textOrNil("outcome") {
        case "refused": return .refused
        case nil where !isNewer: return .new
        default: return isInForce ? .applied : .superseded
        }
    }

    /// What came of a reading.
    package enum Outcome: String, Sendable { case applied, refused }

    /// Remembers what came of a reading.
    package func note(
        _ outcome: Outcome, of reading: DeclarationReading, in account: AccountID
    ) async throws(PostgresError) {
        _ = try await pool.query(
            """
            INSERT INTO declaration_readings (account_id, reading, digest, read_at, outcome, file)
            VALUES ($1, $2, $3, clock_timestamp() - $4::bigint * interval '1 microsecond', $5, $6)
            ON CONFLICT (account_id, reading, digest) DO UPDATE SET outcome = excluded.outcome
            """,
            [
                .text(account.rawValue), .int(Int(reading.readAt.microseconds)), .bytes(reading.digest), reading.age,
                .text(outcome.rawValue), .text(reading.file),
            ]
        )
        _ = try await pool.query(
            """
            DELETE FROM declaration_readings WHERE account_id = $1 AND read_at < least(
                (SELECT read_at FROM declaration_readings WHERE account_id = $1 ORDER BY read_at DESC OFFSET $2 LIMIT 1),
                (SELECT max(read_at) FROM declaration_readings WHERE account_id = $1 AND outcome = 'applied')
            )
            """,
            [.text(account.rawValue), .int(Self.remembered)]
        )
    }
}
