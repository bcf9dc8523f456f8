import GatewayCore

/// Which requests may share connections.
///
/// The egress rule is part of it: a connection to an operator's private address must not serve a tenant's request
/// that happens to name the same host.
struct PoolKey: Hashable, Sendable {
    var origin: Origin
    var egress: EgressRule

    func isKey(of origin: Origin, _ egress: EgressRule) -> Bool {
        self.egress == egress && self.origin.port == origin.port && self.origin.scheme == origin.scheme
            && self.origin.host == origin.host
    }

    /// Host and port tell keys apart well enough; hashing the rest as well would be paid for by every request.
    func hash(into hasher: inout Hasher) {
        hasher.combine(origin.host)
        hasher.combine(origin.port)
    }
}
