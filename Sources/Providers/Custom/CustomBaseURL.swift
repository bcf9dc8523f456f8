package import GatewayCore

/// The rules for the address of an account's own provider, as far as its text tells.
///
/// A name is judged again by what it resolves to, each time a connection is opened (data-plane §13 #36).
package enum CustomBaseURL {
    /// Longest URL that may be stored.
    package static let lengthLimit = 2048

    /// Why an address cannot be stored.
    package enum Refusal: Error, Sendable, Equatable {
        case notAURL
        case notHTTPS
        case hasCredentials
        case hasQueryOrFragment
        /// `.` and `..` segments would leave what the URL seems to say.
        case hasDotSegments
        case tooLong
        case notPublic(InternetAddress.Refusal)
        /// A name that always means this host.
        case localName

        package var message: String {
            switch self {
            case .notAURL: "Invalid URL"
            case .notHTTPS: "URL must begin with https://"
            case .hasCredentials: "URL must not contain credentials"
            case .hasQueryOrFragment: "URL must not contain a query or a fragment"
            case .hasDotSegments: "URL must not contain . or .. segments"
            case .tooLong: "URL must contain at most \(CustomBaseURL.lengthLimit) characters"
            case .notPublic(let reason): "URL must not lead to a \(reason.rawValue) address"
            case .localName: "URL must not lead to this host"
            }
        }
    }

    /// Throws when `text` may not be stored.
    ///
    /// - Parameter egress: `.anyAddress`, which the operator can choose, also allows `http://`.
    package static func check(_ text: String, _ egress: EgressRule) throws(Refusal) {
        guard text.utf8.count <= lengthLimit else { throw .tooLong }
        let lowered = text.lowercased()
        let isPlain = lowered.hasPrefix("http://")
        guard isPlain || lowered.hasPrefix("https://") else {
            throw lowered.contains("://") ? .notHTTPS : .notAURL
        }
        if isPlain, egress == .publicAddressesOnly { throw .notHTTPS }
        guard !text.contains("?"), !text.contains("#") else { throw .hasQueryOrFragment }
        let authority = text.drop { $0 != "/" }.dropFirst(2).prefix { $0 != "/" }
        guard !authority.contains("@") else { throw .hasCredentials }
        guard let root = UpstreamRoot(text) else { throw .notAURL }
        do throws(GatewayError) {
            try UntrustedPath.requireNoDotSegments(root.prefix)
        } catch {
            throw .hasDotSegments
        }
        if egress == .publicAddressesOnly { try checkHost(root.origin.host) }
    }

    private static func checkHost(_ host: String) throws(Refusal) {
        if let address = InternetAddress(host: host) {
            if let reason = address.refusal { throw .notPublic(reason) }
            return
        }
        var name = host[...]
        while name.hasSuffix(".") { name = name.dropLast() }
        guard !name.isEmpty else { throw .notAURL }
        // RFC 6761: resolvers answer these with the loopback address.
        if name == "localhost" || name.hasSuffix(".localhost") { throw .localName }
    }
}
