import GatewayCore

/// Which requests may share connections.
///
/// The egress rule is part of it: a connection to an operator's private address must not serve a tenant's request
/// that happens to name the same host.
struct PoolKey: Hashable, Sendable {
    var origin: Origin
    var egress: EgressRule
}
