import ControlPlane
import PostgresStore

/// The datasets of a gateway (control-plane.md §5.1).
extension AdminRoutes {
    var datasetTable: [AdminRoute] {
        let list = Self.gateway + "/datasets"
        let one = list + "/{id}"
        return [
            AdminRoute(
                "GET", list, "Lists datasets.",
                query: .pages() + [.init("name", .string), .init("enable", .boolean), .init("search", .string)],
                answer: .list(EvaluationSchema.dataset)
            ) { try await listDatasets($0) },
            AdminRoute(
                "POST", list, "Saves a selection of logs.", body: EvaluationSchema.datasetContent,
                answer: .result(EvaluationSchema.dataset)
            ) { call in
                Envelope.success(
                    try await datasetUseCases.create(try call.document(), of: call.gateway, in: call.account).document
                )
            },
            AdminRoute("GET", one, "Shows a dataset.", answer: .result(EvaluationSchema.dataset)) { call in
                Envelope.success(
                    try await datasetUseCases.get(call.parameter("id"), of: call.gateway, in: call.account).document
                )
            },
            AdminRoute(
                "PUT", one, "Replaces a dataset.", body: EvaluationSchema.datasetContent,
                answer: .result(EvaluationSchema.dataset)
            ) { call in
                Envelope.success(
                    try await datasetUseCases.update(
                        call.parameter("id"), of: call.gateway, in: call.account, try call.document()
                    ).document
                )
            },
            AdminRoute("DELETE", one, "Deletes a dataset.", answer: .result(EvaluationSchema.dataset)) { call in
                Envelope.success(
                    try await datasetUseCases.delete(call.parameter("id"), of: call.gateway, in: call.account).document
                )
            },
        ]
    }

    private func listDatasets(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        var selection = DatasetRepository.Selection()
        selection.name = try PageQuery.text(call.query, "name")
        selection.isEnabled = try PageQuery.bool(call.query, "enable")
        selection.search = try PageQuery.text(call.query, "search")
        let page = try await datasetUseCases.list(of: call.gateway, in: call.account, selection, page: request)
        return Envelope.success(.array(page.items.map(\.document)), info: PageQuery.info(page, request))
    }
}
