import ControlPlane
import GatewayCore
import PostgresStore

extension AdminRoutes {
    var logTable: [AdminRoute] {
        let list = Self.gateway + "/logs"
        let one = list + "/{log_id}"
        return [
            AdminRoute(
                "GET", list, "Lists log entries.", .metadata, query: .pages(1...50) + LogQueryReader.listParameters,
                answer: .list(LogSchema.row)
            ) { try await listLogs($0) },
            AdminRoute(
                "DELETE", list, "Promises to delete a selection of log entries.",
                query: LogQueryReader.deletionParameters(most: limits.logDeletionRows), answer: .result(.object)
            ) { try await deleteLogs($0) },
            AdminRoute("GET", one, "Shows a log entry.", .metadata, answer: .result(LogSchema.detail)) {
                try await getLog($0)
            },
            AdminRoute(
                "PATCH", one, "Rates a log entry or changes its metadata.", body: LogSchema.change,
                answer: .result(.object)
            ) { try await patchLog($0) },
            AdminRoute("GET", one + "/request", "The stored request body.", answer: .bytes) {
                try await logBody(.request, $0)
            },
            AdminRoute("GET", one + "/response", "The stored answer.", answer: .bytes) {
                try await logBody(.response, $0)
            },
        ]
    }

    func listLogs(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...50)
        let query = try LogQueryReader.list(call)
        let wantsRanges = try PageQuery.bool(call.query, "meta_info") ?? false
        let page = try await logUseCases.list(query, page: request)
        let ranges = wantsRanges ? try await logUseCases.ranges(query).members : []
        return Envelope.success(
            .array(page.items.map(\.row)), info: PageQuery.info(page, request, more: ranges),
            messages: page.certainty == .exact ? [] : [Self.lowerBound]
        )
    }

    /// Said when a selection could not be counted in time.
    private static let lowerBound: JSONValue = [
        "code": 7100,
        "message": "total_count is a lower bound: counting took too long. A span of time makes it exact",
    ]

    func getLog(_ call: AdminCall) async throws -> AdminAnswer {
        let (entry, heads) = try await logUseCases.get(call.parameter("log_id"), of: call.gateway, in: call.account)
        return Envelope.success(entry.detail(call.token.permissions.cover(.gatewayRead) ? heads : nil))
    }

    /// The payload as it was stored: no envelope, its own content type.
    func logBody(_ side: LogRepository.Side, _ call: AdminCall) async throws -> AdminAnswer {
        let body = try await logUseCases.body(
            side, of: call.parameter("log_id"), gateway: call.gateway, in: call.account
        )
        var answer = AdminAnswer(
            status: 200, contentType: Self.headerValue(body.contentType) ?? "application/json", body: body.bytes
        )
        // What a client stored must not run in an operator's browser.
        answer.headers.append(("x-content-type-options", "nosniff"))
        answer.headers.append(("content-security-policy", "sandbox; default-src 'none'"))
        return answer
    }

    func patchLog(_ call: AdminCall) async throws -> AdminAnswer {
        try await logUseCases.patch(
            call.parameter("log_id"), of: call.gateway, in: call.account, try call.document()
        )
        return Envelope.success([:])
    }

    func deleteLogs(_ call: AdminCall) async throws -> AdminAnswer {
        let most = max(1, limits.logDeletionRows)
        let limit = try PageQuery.integer(call.query, "limit", in: 1...most) ?? most
        try await logUseCases.delete(
            try LogQueryReader.deletion(call), limit: limit, of: call.gateway, in: call.account
        )
        return Envelope.success([:])
    }

    /// A stored content type, when it can be a header's value.
    private static func headerValue(_ text: String?) -> String? {
        guard let text, !text.isEmpty, text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else { return nil }
        return text
    }
}
