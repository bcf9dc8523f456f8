import ControlPlane
import GatewayCore
import PostgresStore

/// The evaluations of a gateway, and what can be measured (control-plane.md §5.2, §5.3).
extension AdminRoutes {
    var evaluationTable: [AdminRoute] {
        let list = Self.gateway + "/evaluations"
        let one = list + "/{id}"
        return [
            AdminRoute(
                "GET", list, "Lists evaluations.",
                query: .pages() + [.init("name", .string), .init("processed", .boolean), .init("search", .string)],
                answer: .list(EvaluationSchema.evaluation)
            ) { try await listEvaluations($0) },
            AdminRoute(
                "POST", list, "Asks for an evaluation of datasets.",
                body: EvaluationSchema.evaluationContent(mostDatasets: limits.datasetsPerEvaluation),
                answer: .result(EvaluationSchema.evaluation)
            ) { call in
                Envelope.success(
                    try await evaluationUseCases.create(
                        try call.document(), of: call.gateway, in: call.account
                    ).document
                )
            },
            AdminRoute("GET", one, "Shows an evaluation.", answer: .result(EvaluationSchema.evaluation)) { call in
                Envelope.success(
                    try await evaluationUseCases.get(call.parameter("id"), of: call.gateway, in: call.account).document
                )
            },
            AdminRoute("DELETE", one, "Deletes an evaluation.", answer: .result(EvaluationSchema.evaluation)) { call in
                Envelope.success(
                    try await evaluationUseCases.delete(
                        call.parameter("id"), of: call.gateway, in: call.account
                    ).document
                )
            },
            AdminRoute(
                "GET", Self.product + "/evaluation-types", "Lists what evaluations can measure.",
                query: .pages(5...50) + [
                    .init("order_by", .string), .init("order_by_direction", .words(["asc", "desc"])),
                ], answer: .list(EvaluationSchema.type)
            ) { try await listEvaluationTypes($0) },
        ]
    }

    private func listEvaluations(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        var selection = EvaluationRepository.Selection()
        selection.name = try PageQuery.text(call.query, "name")
        selection.isProcessed = try PageQuery.bool(call.query, "processed")
        selection.search = try PageQuery.text(call.query, "search")
        let page = try await evaluationUseCases.list(of: call.gateway, in: call.account, selection, page: request)
        return Envelope.success(.array(page.items.map(\.document)), info: PageQuery.info(page, request))
    }

    /// `order_by` is free text, and orders by whether a measure is mandatory whatever it says.
    private func listEvaluationTypes(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 5...50)
        let direction = try PageQuery.choice(call.query, "order_by_direction", LogQuery.Direction.self) ?? .desc
        let all = try await evaluationUseCases.types(direction)
        let (skipped, overflow) = (request.number - 1).multipliedReportingOverflow(by: request.size)
        let items = overflow ? [] : Array(all.dropFirst(skipped).prefix(request.size))
        let page = Page(items: items, total: all.count)
        return Envelope.success(.array(items.map(\.document)), info: PageQuery.info(page, request))
    }
}

extension Evaluation {
    /// The object of the API (control-plane.md §5.2 · documented).
    fileprivate var document: JSONValue {
        [
            "id": .string(id), "gateway_id": .string(gateway.rawValue), "name": .string(name),
            "processed": .bool(isProcessed), "total_logs": JSONValue(totalLogs),
            "datasets": (try? JSONValue(parsing: datasets)) ?? [],
            "results": .array(results.map(\.document)),
            "created_at": .string(Timestamp.text(createdAt)), "modified_at": .string(Timestamp.text(modifiedAt)),
        ]
    }
}

extension EvaluationResult {
    fileprivate var document: JSONValue {
        [
            "id": .string(id), "evaluation_id": .string(evaluation), "evaluation_type_id": .string(type),
            "result": .string(finding.result), "status": JSONValue(finding.status.rawValue),
            "status_description": .string(finding.description), "total_logs": JSONValue(finding.totalLogs),
            "created_at": .string(Timestamp.text(createdAt)), "modified_at": .string(Timestamp.text(modifiedAt)),
        ]
    }
}

extension EvaluationType {
    fileprivate var document: JSONValue {
        [
            "id": .string(id), "name": .string(name), "type": .string(kind), "description": .string(description),
            "enable": .bool(isEnabled), "mandatory": .bool(isMandatory),
            "created_at": .string(Timestamp.text(createdAt)), "modified_at": .string(Timestamp.text(modifiedAt)),
        ]
    }
}
