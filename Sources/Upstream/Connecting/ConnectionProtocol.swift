/// What is spoken on a connection, decided when it is open: by ALPN with TLS, HTTP/1.1 without.
///
/// The place where HTTP/2 joins: a case here, its identifier offered in `offered`, and a pool of streams beside
/// `IdlePool`.
enum ConnectionProtocol: Equatable, Sendable {
    case http1

    /// ALPN identifiers, in order of preference.
    static let offered = ["http/1.1"]

    /// Nil when the provider chose something that was not offered.
    ///
    /// No choice means HTTP/1.1 (RFC 7301 §3.2).
    init?(negotiated: String?) {
        switch negotiated {
        case nil, "http/1.1": self = .http1
        default: return nil
        }
    }
}
