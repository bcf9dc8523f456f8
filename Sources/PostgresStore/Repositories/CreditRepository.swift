package import GatewayCore

/// The prepaid credit of accounts: a ledger that the operator writes (control-plane.md §10).
package struct CreditRepository: Sendable {
    /// One movement of credit.
    package struct Entry: Sendable, Equatable {
        package var id: String
        package var account: AccountID
        /// US cents; negative when credit was taken back.
        package var amountCents: Int
        package var note: String
        package var createdAt: Instant
    }

    /// When an account wants its credit raised, and by how much: US cents.
    package struct TopupWish: Sendable, Equatable {
        package var amountCents: Int
        package var thresholdCents: Int

        package init(amountCents: Int, thresholdCents: Int) {
            self.amountCents = amountCents
            self.thresholdCents = thresholdCents
        }
    }

    /// What was spent in a span of time.
    package struct Usage: Sendable, Equatable {
        package var start: Instant
        package var end: Instant
        /// US cents in decimal notation: the known costs of the requests that began in it.
        package var cents: String
    }

    /// Length of the spans of a usage history.
    package enum Grouping: String, Sendable, CaseIterable { case day, hour }

    private let pool: PostgresPool

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// US cents.
    package func balance(of account: AccountID) async throws(PostgresError) -> Int {
        try await pool.query(
            "SELECT coalesce(sum(amount_cents), 0)::bigint AS cents FROM credit_entries WHERE account_id = $1",
            [.text(account.rawValue)]
        ).first?.int("cents") ?? 0
    }

    /// The newest first.
    package func entries(of account: AccountID, page: PageRequest) async throws(PostgresError) -> Page<Entry> {
        let count = try await pool.query(
            "SELECT count(*) AS total FROM credit_entries WHERE account_id = $1", [.text(account.rawValue)]
        )
        let rows = try await pool.query(
            "SELECT * FROM credit_entries WHERE account_id = $1 ORDER BY number DESC LIMIT $2 OFFSET $3",
            [.text(account.rawValue), .int(page.size), .int(page.offset)]
        )
        return Page(
            items: try rows.map { (row) throws(PostgresError) in try Entry(row) },
            total: try count.first?.int("total") ?? 0
        )
    }

    /// Adds a movement; nil when there is no such account.
    package func add(_ id: String, cents: Int, note: String, to account: AccountID) async throws -> Entry? {
        try await pool.transaction { transaction -> Entry? in
            try await transaction.query(
                """
                INSERT INTO credit_entries (id, account_id, amount_cents, note)
                SELECT $1, id, $3, $4 FROM accounts WHERE id = $2 RETURNING *
                """,
                [.text(id), .text(account.rawValue), .int(cents), .text(note)]
            ).first.map(Entry.init)
        }
    }

    package func topupWish(of account: AccountID) async throws(PostgresError) -> TopupWish? {
        let rows = try await pool.query(
            "SELECT amount_cents, threshold_cents FROM credit_topup_wishes WHERE account_id = $1",
            [.text(account.rawValue)]
        )
        return try rows.first.map { (row) throws(PostgresError) in
            TopupWish(amountCents: try row.int("amount_cents"), thresholdCents: try row.int("threshold_cents"))
        }
    }

    /// Notes or forgets when an account wants its credit raised.
    package func setTopupWish(_ wish: TopupWish?, of account: AccountID) async throws {
        try await pool.transaction { transaction in
            guard let wish else {
                _ = try await transaction.query(
                    "DELETE FROM credit_topup_wishes WHERE account_id = $1", [.text(account.rawValue)]
                )
                return
            }
            _ = try await transaction.query(
                """
                INSERT INTO credit_topup_wishes (account_id, amount_cents, threshold_cents) VALUES ($1, $2, $3)
                ON CONFLICT (account_id) DO UPDATE SET amount_cents = $2, threshold_cents = $3, modified_at = now()
                """,
                [.text(account.rawValue), .int(wish.amountCents), .int(wish.thresholdCents)]
            )
        }
    }

    /// What the account's requests cost, by day or hour of UTC, the earliest first; spans without any are left out.
    ///
    /// Read from roll-ups, so what was deleted from the log still counts; a span that `start` cuts counts whole.
    package func usage(
        of account: AccountID, by grouping: Grouping, from start: Instant, to end: Instant
    ) async throws(PostgresError) -> [Usage] {
        var query = PostgresQuery(
            """
            SELECT bucket AS start, bucket + ('1 ' || $2)::interval AS "end",
                (sum(cost) * 100)::numeric(40, 6)::text AS cents FROM
            """,
            [.text(account.rawValue), .text(grouping.rawValue), .instant(start), .instant(end)]
        )
        switch grouping {
        case .day: query.append(" usage_days")
        case .hour: query.append(" usage_hours")
        }
        query.append(
            """
             WHERE account_id = $1 AND bucket > $3::timestamptz - ('1 ' || $2)::interval AND bucket < $4 AND priced > 0
            GROUP BY bucket ORDER BY bucket
            """
        )
        return try await pool.query(query).map { (row) throws(PostgresError) in
            Usage(start: try row.instant("start"), end: try row.instant("end"), cents: try row.text("cents"))
        }
    }
}

extension CreditRepository.Entry {
    fileprivate init(_ row: PostgresRow) throws(PostgresError) {
        self.init(
            id: try row.text("id"), account: AccountID(try row.text("account_id")),
            amountCents: try row.int("amount_cents"), note: try row.text("note"),
            createdAt: try row.instant("created_at")
        )
    }
}
