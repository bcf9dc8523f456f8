import ControlPlane
import PostgresStore

extension AdminRoutes {
    func listLogs(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...50)
        let query = try LogQueryReader.list(call)
        let wantsRanges = try PageQuery.bool(call.query, "meta_info") ?? false
        let page = try await logUseCases.list(query, page: request)
        let ranges = wantsRanges ? try await logUseCases.ranges(query).members : []
        return Envelope.success(.array(page.items.map(\.row)), info: PageQuery.info(page, request, more: ranges))
    }

    func getLog(_ call: AdminCall) async throws -> AdminAnswer {
        let (entry, heads) = try await logUseCases.get(call.parameter("log_id"), of: call.gateway, in: call.account)
        return Envelope.success(entry.detail(heads))
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
        let limit = try PageQuery.integer(call.query, "limit", in: 1...10_000) ?? 10_000
        try await logUseCases.delete(try LogQueryReader.deletion(call), limit: limit)
        return Envelope.success([:])
    }

    /// A stored content type, when it can be a header's value.
    private static func headerValue(_ text: String?) -> String? {
        guard let text, !text.isEmpty, text.utf8.allSatisfy({ (0x20...0x7e).contains($0) }) else { return nil }
        return text
    }
}
