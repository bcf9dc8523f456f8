package import GatewayCore

/// The durable queue between the log and those it is sent to.
///
/// Rows get there by the transaction that stores a request and leave when a receiver has taken them. One process at a
/// time sends: the holder of an advisory lock, on a connection of its own.
package struct ExportQueue: Sendable {
    /// Bytes of a request's or an answer's body beyond which it is left out.
    package static let bodyLimit = 1 << 20
    /// Bodies of one batch stop growing at this size.
    private static let batchBytes = 4 << 20
    private static let lock = 7_310_579_621_884_301

    private let session: PostgresSession

    /// - Parameter session: used by nobody else.
    package init(_ session: PostgresSession) { self.session = session }

    /// Whether this process is the one that sends; asked before each round, since a broken connection loses the lock.
    package func acquire() async throws(PostgresError) -> Bool {
        try await session.query("SELECT pg_try_advisory_lock($1) AS held", [.int(Self.lock)])[0].bool("held")
    }

    /// Everybody who wants to be sent something, and has something waiting.
    package func receivers() async throws(PostgresError) -> [ExportReceiver] {
        let exporters = try await session.query(
            """
            SELECT g.account_id, g.id, w.target, e.exporter::text AS exporter
            FROM waiting_exporters() w JOIN gateways g ON g.account_id = w.account_id AND g.id = w.gateway_id
                JOIN LATERAL gateway_exporters(g.otel) AS e ON e.target = w.target
            """
        )
        var receivers: [ExportReceiver] = []
        for row in exporters {
            receivers.append(
                ExportReceiver(
                    account: AccountID(try row.text("account_id")), gateway: GatewayID(try row.text("id")),
                    target: try row.text("target"), kind: .otel(exporter: try row.text("exporter"))
                ))
        }
        let jobs = try await session.query(
            """
            SELECT j.account_id, j.id, j.destination_envelope
            FROM waiting_jobs() w JOIN logpush_jobs j ON 'logpush:' || j.id = w.target AND j.enabled
            """
        )
        for row in jobs {
            let id = try row.int("id")
            receivers.append(
                ExportReceiver(
                    account: AccountID(try row.text("account_id")), gateway: nil, target: "logpush:\(id)",
                    kind: .logpush(job: id, destination: try row.bytes("destination_envelope"))
                ))
        }
        return receivers
    }

    /// The next requests for a receiver, oldest first; those whose log is gone are taken from the queue on the way.
    ///
    /// - Parameters:
    ///   - number: rows up to this one were seen and removed; 0: look at all. A row that was numbered earlier may still
    ///     appear later, so somebody has to begin at 0 again.
    ///   - bodyLimit: longer bodies are left out.
    package func next(
        for receiver: ExportReceiver, after number: Int = 0, atMost count: Int, bodyLimit: Int = bodyLimit
    ) async throws(PostgresError) -> ExportBatch {
        var query = PostgresQuery("WITH waiting AS (SELECT id, log_id, created_at FROM export_queue WHERE ")
        // Ordered by what the receiver's own index has, though it is the same in all rows: the index of the numbers would
        // have to read everybody else's rows, and looks just as good to a planner that takes them for this receiver's.
        let target = PostgresValue.text(receiver.target)
        if let gateway = receiver.gateway {
            query.append("target LIKE 'otel:%' AND target = ", value: target)
            query.append(" AND account_id = ", value: .text(receiver.account.rawValue))
            query.append(" AND (gateway_id, id) > (", value: .text(gateway.rawValue), ", ")
            query.append(value: .int(number))
            query.append(") AND gateway_id <= ", value: .text(gateway.rawValue), " ORDER BY gateway_id, id")
        } else {
            query.append("target LIKE 'logpush:%' AND (target, id) > (", value: target, ", ")
            query.append(value: .int(number))
            query.append(") AND target <= ", value: target, " ORDER BY target, id")
        }
        query.append(" LIMIT ", value: .int(count))
        query.append(
            """
            ), sized AS (
                SELECT w.id, w.log_id, w.created_at,
                    coalesce(octet_length(b.request), 0) AS request_length,
                    coalesce(octet_length(b.response), 0) AS response_length,
                    sum(coalesce(octet_length(b.request), 0) + coalesce(octet_length(b.response), 0))
                        OVER (ORDER BY w.id) - coalesce(octet_length(b.request), 0)
                        - coalesce(octet_length(b.response), 0) AS before
                FROM waiting w LEFT JOIN log_bodies b ON b.id = w.log_id AND b.created_at = w.created_at
            )
            SELECT z.id AS queue_id, l.id, l.created_at, l.event_id, l.gateway_id, l.provider, l.model, l.model_type,
                l.path, l.method, l.request_type, l.status_code, l.success, l.cached, l.step, l.duration_us,
                l.first_byte_us, trim_scale(l.cost)::text AS cost, l.metadata::text AS metadata, l.tokens_in,
                l.tokens_out, l.tokens_cached, l.tokens_reasoning, l.error_code, l.user_agent, l.key_alias, l.streamed,
                l.request_content_type, l.response_content_type, z.request_length, z.response_length,
                l.request_complete, l.response_complete, l.trace_id, l.parent_span_id, g.logpush_public_key,
            """
        )
        query.append(" CASE WHEN z.request_length <= ", value: .int(bodyLimit), " THEN b.request END AS request,")
        query.append(" CASE WHEN z.response_length <= ", value: .int(bodyLimit), " THEN b.response END AS response")
        query.append(
            """
             FROM sized z LEFT JOIN logs l ON l.id = z.log_id AND l.created_at = z.created_at
            LEFT JOIN log_bodies b ON b.id = z.log_id AND b.created_at = z.created_at
            LEFT JOIN gateways g ON g.account_id = l.account_id AND g.id = l.gateway_id
            WHERE z.before <=
            """
        )
        query.append(" ", value: .int(Self.batchBytes), " ORDER BY z.id")
        let rows = try await session.query(query)
        var requests: [ExportedRequest] = []
        var orphans: [Int] = []
        for row in rows {
            if try row.isNull("id") {
                orphans.append(try row.int("queue_id"))
            } else {
                requests.append(try ExportedRequest(row))
            }
        }
        if !orphans.isEmpty { try await remove(orphans) }
        return ExportBatch(requests: requests, last: try rows.last?.int("queue_id"))
    }

    /// Takes rows from the queue: their receiver has them, or will never take them.
    package func remove(_ ids: [Int]) async throws(PostgresError) {
        _ = try await session.query("DELETE FROM export_queue WHERE id = ANY ($1)", [.ints(ids)])
    }

    /// Notes how a job's last delivery ended.
    ///
    /// - Parameter problem: nil when it was taken.
    package func note(job: Int, problem: String?) async throws(PostgresError) {
        _ = try await session.query(
            """
            UPDATE logpush_jobs SET last_complete = CASE WHEN $2::text IS NULL THEN now() ELSE last_complete END,
                last_error = CASE WHEN $2::text IS NULL THEN last_error ELSE now() END, error_message = $2::text
            WHERE id = $1
            """, [.int(job), .text(problem)]
        )
    }

    /// Removes some of what nobody will take any more; returns the number of rows, which is 0 when none is left.
    package func prune() async throws(PostgresError) -> Int {
        try await session.query("SELECT prune_exports() AS pruned")[0].int("pruned")
    }
}

/// Somebody who is sent settled requests.
package struct ExportReceiver: Sendable, Equatable {
    package enum Kind: Sendable, Equatable {
        /// One member of the gateway's `otel`, as JSON text.
        case otel(exporter: String)
        /// A job and its sealed destination.
        case logpush(job: Int, destination: [UInt8])
    }

    package var account: AccountID
    /// Nil: all gateways of the account.
    package var gateway: GatewayID?
    /// Its name in the queue: `otel:`, a digest of the URL and, from the second of that URL on, `:` and its place; or
    /// `logpush:` and the job's number.
    package var target: String
    package var kind: Kind

    package init(account: AccountID, gateway: GatewayID?, target: String, kind: Kind) {
        self.account = account
        self.gateway = gateway
        self.target = target
        self.kind = kind
    }
}

/// What one look at the queue found for a receiver.
package struct ExportBatch: Sendable {
    /// Empty when the logs of all rows are gone.
    package var requests: [ExportedRequest]
    /// Number of the last row that was looked at; nil when nothing waits.
    package var last: Int?
}

/// A settled request on its way out.
package struct ExportedRequest: Sendable {
    package var queueID: Int
    package var id: String
    package var createdAt: Instant
    package var eventID: String
    package var gateway: String
    package var provider: String
    package var model: String
    package var modelType: String?
    package var path: String
    package var method: String
    package var requestType: String
    package var status: Int
    package var success: Bool
    package var cached: Bool
    package var step: Int
    package var durationMicroseconds: Int
    package var firstByteMicroseconds: Int?
    /// US dollars in decimal notation; nil when unknown.
    package var cost: String?
    /// A JSON object in text form.
    package var metadata: String?
    package var tokensIn: Int?
    package var tokensOut: Int?
    package var tokensCached: Int?
    package var tokensReasoning: Int?
    package var errorCode: Int?
    package var userAgent: String?
    package var keyAlias: String?
    package var streamed: Bool
    package var requestContentType: String?
    package var responseContentType: String?
    /// Bytes that are stored of the two bodies, whether they came along or not.
    package var storedBytes: Int
    /// Whether a stored body is only the head of what passed.
    package var isCut: Bool
    /// Bodies as stored; nil when they are not kept, or too long.
    package var request: [UInt8]?
    package var response: [UInt8]?
    /// The caller's trace and the span in it that made the request, in hexadecimal digits.
    package var traceID: String?
    package var parentSpanID: String?
    /// The gateway's key for Logpush.
    package var publicKey: String?

    init(_ row: PostgresRow) throws(PostgresError) {
        queueID = try row.int("queue_id")
        id = try row.text("id")
        createdAt = try row.instant("created_at")
        eventID = try row.text("event_id")
        gateway = try row.text("gateway_id")
        provider = try row.text("provider")
        model = try row.text("model")
        modelType = try row.textOrNil("model_type")
        path = try row.text("path")
        method = try row.text("method")
        requestType = try row.text("request_type")
        status = try row.int("status_code")
        success = try row.bool("success")
        cached = try row.bool("cached")
        step = try row.int("step")
        durationMicroseconds = try row.int("duration_us")
        firstByteMicroseconds = try row.intOrNil("first_byte_us")
        cost = try row.textOrNil("cost")
        metadata = try row.textOrNil("metadata")
        tokensIn = try row.intOrNil("tokens_in")
        tokensOut = try row.intOrNil("tokens_out")
        tokensCached = try row.intOrNil("tokens_cached")
        tokensReasoning = try row.intOrNil("tokens_reasoning")
        errorCode = try row.intOrNil("error_code")
        userAgent = try row.textOrNil("user_agent")
        keyAlias = try row.textOrNil("key_alias")
        streamed = try row.bool("streamed")
        requestContentType = try row.textOrNil("request_content_type")
        responseContentType = try row.textOrNil("response_content_type")
        storedBytes = try row.int("request_length") + row.int("response_length")
        let requestIsWhole = try row.bool("request_complete")
        let responseIsWhole = try row.bool("response_complete")
        isCut = !requestIsWhole || !responseIsWhole
        request = try row.bytesOrNil("request")
        response = try row.bytesOrNil("response")
        traceID = try row.textOrNil("trace_id")
        parentSpanID = try row.textOrNil("parent_span_id")
        publicKey = try row.textOrNil("logpush_public_key")
    }
}
