/// What the outbound client is built with; the defaults suit a worker.
package struct UpstreamSettings: Sendable {
    /// PEM file with roots that are trusted in addition to the system's (`egress.ca_file`).
    package var additionalRootsFile: String?
    /// PEM file that takes the place of the system's roots (`SSL_CERT_FILE`, read by `Settings`).
    package var systemRootsFile: String?
    /// Whether `EgressRule.publicAddressesOnly` is lifted (`egress.allow_private_addresses`).
    package var allowsPrivateAddresses = false
    /// Most idle connections kept per origin; further ones are closed when their answer is complete.
    package var idleConnectionsPerOrigin = 128
    /// Most idle connections kept in all.
    package var idleConnections = 1024
    /// How long an unused connection is kept; the granularity is one second.
    package var idleKeepAlive: Duration = .seconds(60)
    /// Most connections per origin, busy ones included; a request beyond that fails at once.
    package var connectionsPerOrigin = 4096
    /// How long a resolved name is remembered.
    package var nameLifetime: Duration = .seconds(30)

    package init() {}
}
