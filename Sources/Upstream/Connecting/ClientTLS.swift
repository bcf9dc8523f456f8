import GatewayCore
import NIOCore
import NIOSSL

/// TLS towards providers: full verification, name indication, HTTP/1.1 by ALPN; one context for all connections.
@WorkerLoop
struct ClientTLS {
    private let context: NIOSSLContext

    /// - Throws: what NIOSSL says when a roots file cannot be read or used.
    init(_ settings: UpstreamSettings) throws {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = ConnectionProtocol.offered
        if let file = settings.systemRootsFile { configuration.trustRoots = .file(file) }
        if let file = settings.additionalRootsFile { configuration.additionalTrustRoots = [.file(file)] }
        context = try NIOSSLContext(configuration: configuration)
    }

    /// The handler for one connection.
    ///
    /// The certificate must be for `host`, a name or an address.
    func handler(for host: String) throws -> NIOSSLClientHandler {
        // Addresses are not sent as a server name (RFC 6066 §3); NIOSSL then verifies the certificate against the
        // address the socket is connected to, which is the one in `host`.
        try NIOSSLClientHandler(context: context, serverHostname: Self.isAddress(host) ? nil : host)
    }

    private static func isAddress(_ host: String) -> Bool {
        if case .success = SystemLookup.addresses(of: host, allowing: .addressesOnly) { return true }
        return false
    }
}
