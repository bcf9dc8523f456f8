import Glibc

/// The signals the fleet sends, by what they are for.
enum FleetSignal {
    static let kill = SIGKILL

    /// What makes an embedded store end in order; PostgreSQL's is its fast shutdown, which does not wait for clients.
    static func shutdown(of role: FleetRole) -> Int32 { role == .postgres ? SIGINT : SIGTERM }
}
