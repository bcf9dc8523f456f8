import ControlPlane
import GatewayCore
import PostgresStore

extension CustomCost {
    /// The custom cost on the wire (control-plane.md §8.2 · documented): `token_pricing` is JSON text.
    var document: JSONValue {
        [
            "id": .string(id), "account_provider_id": .string(settings.provider), "model": .string(settings.model),
            "model_rule": .string(settings.modelRule.rawValue),
            "cost_in": settings.costIn.map { .number($0) } ?? .null,
            "cost_out": settings.costOut.map { .number($0) } ?? .null,
            "cost_type": .string(settings.costType), "token_pricing": JSONValue(settings.tokenPricing),
            "enable": .bool(settings.isEnabled), "weight": JSONValue(settings.weight),
            "changed_by": .string(settings.changedBy), "created_at": .string(Timestamp.text(createdAt)),
            "modified_at": .string(Timestamp.text(modifiedAt)),
        ]
    }
}

extension AdminRoutes {
    var customCostTable: [AdminRoute] {
        let list = Self.product + "/custom-providers/costs"
        let one = list + "/{cost_id}"
        let rules = Schema.words(ModelRule.allCases.map(\.rawValue))
        let cost = Schema.object([
            "id": .string, "account_provider_id": .string, "model": .string, "model_rule": rules,
            "cost_in": Schema.number.orNull, "cost_out": Schema.number.orNull, "cost_type": .string,
            "token_pricing": Schema.string.orNull, "enable": .boolean, "weight": Schema.integer.orNull,
            "changed_by": .string, "created_at": .time, "modified_at": .time,
        ]).named("CustomCost")
        let price = Schema.integer(0...1).orNull
        let settings = Schema.object([
            "model_rule?": rules, "cost_in?": price, "cost_out?": price, "cost_type?": .string(1...64),
            "token_pricing?": Schema.map(of: price).orNull, "enable?": .boolean,
            "weight?": Schema.integer(-1000...1000).orNull, "changed_by?": .string(0...256),
        ])
        let place = Schema.object(["account_provider_id": .string(1...64), "model": .string(1...512)])
        return [
            AdminRoute(
                "GET", list, "Lists what the account's own providers cost.",
                query: .pages() + [
                    .init("enable", .boolean), .init("account_provider_id", .string), .init("model_rule", rules),
                    .init("cost_type", .string), .init("search", .string),
                ], answer: .list(cost)
            ) { try await listCustomCosts($0) },
            AdminRoute("POST", list, "Sets a price.", body: .all(place, settings), answer: .result(cost)) {
                try await createCustomCost($0)
            },
            AdminRoute("GET", one, "Shows a price.", answer: .result(cost)) { try await getCustomCost($0) },
            AdminRoute("PATCH", one, "Changes a price.", body: settings, answer: .result(cost)) {
                try await updateCustomCost($0)
            },
            AdminRoute("DELETE", one, "Deletes a price.", answer: .result(cost)) { try await deleteCustomCost($0) },
        ]
    }

    func listCustomCosts(_ call: AdminCall) async throws -> AdminAnswer {
        let request = try PageQuery.read(call.query, sizes: 1...100)
        var selection = CustomCostRepository.Selection()
        selection.isEnabled = try PageQuery.bool(call.query, "enable")
        selection.provider = try PageQuery.text(call.query, "account_provider_id")
        selection.modelRule = try PageQuery.choice(call.query, "model_rule", ModelRule.self)
        selection.costType = try PageQuery.text(call.query, "cost_type")
        selection.search = try PageQuery.text(call.query, "search")
        let page = try await customCostUseCases.list(of: call.account, selection, page: request)
        return Envelope.success(.array(page.items.map(\.document)), info: PageQuery.info(page, request))
    }

    func createCustomCost(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await customCostUseCases.create(try call.document(), of: call.account)
        return await changed(written.value.document, version: written.version)
    }

    func getCustomCost(_ call: AdminCall) async throws -> AdminAnswer {
        Envelope.success(try await customCostUseCases.get(call.cost, of: call.account).document)
    }

    func updateCustomCost(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await customCostUseCases.update(call.cost, of: call.account, try call.document())
        return await changed(written.value.document, version: written.version)
    }

    func deleteCustomCost(_ call: AdminCall) async throws -> AdminAnswer {
        let written = try await customCostUseCases.delete(call.cost, of: call.account)
        return await changed(written.value.document, version: written.version)
    }
}

extension AdminCall {
    fileprivate var cost: String { parameter("cost_id") }
}
