/// Everything the control port answers: health and metrics for anyone who reaches it, the API for those with a token.
package struct ControlSurface: Sendable {
    private let api: AdminResponder
    private let health: @Sendable () async -> HealthReport
    private let metrics: @Sendable () async -> String

    /// - Parameters:
    ///   - health: asked for every `/readyz`.
    ///   - metrics: Prometheus text, asked for every `/metrics`.
    package init(
        api: AdminResponder, health: @escaping @Sendable () async -> HealthReport,
        metrics: @escaping @Sendable () async -> String
    ) {
        self.api = api
        self.health = health
        self.metrics = metrics
    }

    package func respond(to request: AdminRequest) async -> AdminAnswer {
        switch request.path {
        case "/healthz", "/readyz", "/metrics":
            guard request.method == "GET" || request.method == "HEAD" else {
                return Envelope.failure(.methodNotAllowed(["GET", "HEAD"]))
            }
            var answer = await open(request.path)
            answer.headers.append(("cache-control", "no-store"))
            if request.method == "HEAD" { answer.body = [] }
            return answer
        default: return await api.respond(to: request)
        }
    }

    private func open(_ path: String) async -> AdminAnswer {
        switch path {
        case "/readyz": await health().answer
        case "/metrics":
            AdminAnswer(
                status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: Array(await metrics().utf8)
            )
        default: AdminAnswer(status: 200, contentType: "application/json", body: Array(#"{"status":"ok"}"#.utf8))
        }
    }
}
