import ControlPlane

extension AdminRoutes {
    /// The route under which the API describes itself, which is part of the description.
    func descriptionTable(of routes: [AdminRoute]) -> [AdminRoute] {
        func route(_ body: [UInt8]) -> AdminRoute {
            AdminRoute(
                open: "/openapi.json", "Describes this API.",
                AdminAnswer(status: 200, contentType: "application/json", body: body)
            )
        }
        return [route(OpenAPIDescription(of: routes + [route([])]).document.bytes)]
    }
}
