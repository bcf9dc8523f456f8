package import GatewayCore

/// A header field in which a provider's clients name the whole address of a call (providers.md §1.4 · documented).
///
/// Clients that were told to use a proxy send everything to one address of it. Only the provider's own hosts may be
/// named, and the field itself never leaves the gateway.
package struct TargetField: Sendable {
    /// Lower case.
    package var name: StaticString
    /// Hosts that may be named, each with all that lie below it.
    var hosts: [String]

    /// The address in a field's value.
    ///
    /// - Throws: `.invalidProvider` for anything but an `https` URL of one of the hosts.
    func read(_ text: String) throws(GatewayError) -> (path: UpstreamPath, query: String?) {
        let scheme = "https://"
        guard text.lowercased().hasPrefix(scheme), !text.contains("#") else { throw refusal }
        let rest = text.dropFirst(scheme.count)
        let mark = rest.firstIndex(of: "?") ?? rest.endIndex
        let slash = rest[..<mark].firstIndex(of: "/") ?? mark
        // The port is the scheme's: a host is no reason to reach whatever else listens there.
        guard let root = UpstreamRoot(scheme + rest[..<slash]), root.origin.port == 443,
            hosts.contains(where: { root.origin.host == $0 || root.origin.host.hasSuffix("." + $0) })
        else { throw refusal }
        let path = try UntrustedPath.check(String(rest[slash..<mark]))
        try UntrustedPath.requireNoDotSegments(path)
        let query = mark == rest.endIndex ? nil : String(rest[rest.index(after: mark)...])
        return (UpstreamPath(origin: root.origin, path: "/" + path), query)
    }

    private var refusal: GatewayError {
        UntrustedPath.refusal("\(name) must be an https address of \(hosts.joined(separator: ", "))")
    }
}

extension ProviderDefinition {
    /// The upstream target of a call whose address a client named in the provider's own field.
    ///
    /// - Parameters:
    ///   - text: the field's value.
    ///   - filter: query keys that must not reach the provider.
    /// - Throws: `.invalidProvider` when the provider has no such field, or the address is none of its own.
    package func target(named text: String, removing filter: QueryFilter) throws(GatewayError) -> UpstreamTarget {
        guard let targetField else { throw UntrustedPath.refusal("\(id) takes no address of a call") }
        let (path, query) = try targetField.read(text)
        return try target(path, query: query, filter: filter)
    }
}
