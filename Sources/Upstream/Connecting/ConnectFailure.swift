/// Why there is no connection.
struct ConnectFailure: Error, Sendable {
    enum Step: String, Sendable { case resolve, egress, network, tls, timeout, limit, cancelled }
    var step: Step
    /// For the process log.
    var reason: String

    init(_ step: Step, _ reason: String) {
        self.step = step
        self.reason = reason
    }
}
