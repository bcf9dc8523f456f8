import ControlPlane

extension AdminRoutes {
    var gatewayURLTable: [AdminRoute] {
        [
            AdminRoute(
                "GET", Self.gateway + "/url/{provider}", "The URL under which a gateway calls a provider.",
                answer: .result(.string)
            ) { try await gatewayURL($0) }
        ]
    }

    /// The data port's URL for one provider (control-plane.md §9 · documented).
    func gatewayURL(_ call: AdminCall) async throws -> AdminAnswer {
        let provider = call.parameter("provider")
        guard try await gatewayUseCases.exists(call.gateway, of: call.account) else { throw ControlError.notFound }
        guard CallableProvider.isKnown(segment: provider) else {
            throw APIProblem.invalid(["params", "provider"], "Unknown provider")
        }
        let base = publicURL.hasSuffix("/") ? String(publicURL.dropLast()) : publicURL
        return Envelope.success(.string("\(base)/v1/\(call.account)/\(call.gateway)/\(provider)"))
    }
}
