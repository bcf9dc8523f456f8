package import GatewayCore

/// Where one provider call goes.
package struct UpstreamTarget: Sendable {
    package var origin: Origin
    /// With leading slash, percent-encoding as the client sent it.
    package var path: String
    /// Without the question mark; nil when nothing is left of it.
    package var query: String?
    package var egress: EgressRule
    /// The provider's own authority, whatever `base_url` says: what a client-signed call was signed for (decisions 25).
    package var canonicalAuthority: String
    /// How a stored key is written for this path; nil: the provider's usual form.
    package var credentialForms: [CredentialRule.Form]?
    package var place: ProcessingPlace
    /// The path to ask for once where the provider does not know `path`; nil: there is no other.
    package var otherPath: String?

    /// The request target: path and query.
    package var requestTarget: String { target(path) }
    /// The request target with the other path; nil: there is no other.
    package var otherRequestTarget: String? { otherPath.map { target($0) } }

    private func target(_ path: String) -> String { query.map { "\(path)?\($0)" } ?? path }
}

extension ProviderDefinition {
    /// The upstream target of a native call.
    ///
    /// - Parameters:
    ///   - path: the raw rest after the provider segment, not decoded; leading slashes are dropped.
    ///   - query: the raw query without question mark.
    ///   - account: the account of the gateway URL.
    ///   - workersAIAccount: the operator's own account in URLs that need one.
    ///   - removing: query keys that must not reach the provider.
    /// - Throws: `.invalidProvider` when the path cannot be mapped.
    package func target(
        path: String, query: String?, account: AccountID, workersAIAccount: String?,
        removing filter: QueryFilter = QueryFilter()
    ) throws(GatewayError) -> UpstreamTarget {
        let path = try UntrustedPath.check(path)
        let upstream: UpstreamPath
        switch self.path {
        case .plain(let rule):
            try UntrustedPath.requireNoDotSegments(path)
            upstream = rule.apply(path, root: root)
        case .bespoke(let rule):
            try UntrustedPath.requireNoDotSegments(path)
            upstream = try rule(
                PathInput(path: path, root: root, account: account, workersAIAccount: workersAIAccount))
        }
        return try target(upstream, query: query, filter: filter)
    }

    func target(
        _ upstream: UpstreamPath, query: String?, filter: QueryFilter
    ) throws(GatewayError) -> UpstreamTarget {
        let query = filter.apply(query)
        if let query {
            for byte in query.utf8 where byte <= 0x20 || byte == 0x7f || byte == 0x23 {
                throw UntrustedPath.refusal("Invalid query")
            }
        }
        let path = baseOverride?.path(for: upstream.path, fixed: upstream.fixed) ?? upstream.path
        // The other one lacks the version, which an operator's base may end with.
        let other = upstream.otherPath.map { baseOverride?.path(for: $0, fixed: max(upstream.fixed - 1, 0)) ?? $0 }
        return UpstreamTarget(
            origin: baseOverride?.origin ?? upstream.origin, path: path,
            query: query, egress: egress, canonicalAuthority: upstream.origin.authority,
            credentialForms: upstream.credentialForms, place: upstream.place, otherPath: other == path ? nil : other)
    }

    /// The upstream target of an OpenAI-shaped call, and the model name that the provider knows.
    ///
    /// - Parameters:
    ///   - model: the name behind the provider prefix.
    ///   - place: what the call's credential tells.
    ///   - endpoint: path below the OpenAI-shaped base.
    ///   - rebase: makes that base from the one of chats, where the endpoint has another.
    /// - Throws: `.invalidProvider` when the provider has no such endpoint.
    package func compatTarget(
        model: String, place: CredentialPlace? = nil, endpoint: String = "chat/completions",
        rebase: (@Sendable (String) -> String)? = nil, account: AccountID = "", workersAIAccount: String? = nil
    ) throws(GatewayError) -> (UpstreamTarget, model: String) {
        guard let surface = compat.surface else {
            throw GatewayError(.invalidProvider, origin: .client, detail: "\(id) has no OpenAI-shaped endpoint")
        }
        guard !model.isEmpty else { throw GatewayError(.badChatCompletion, origin: .client) }
        let (base, name) = try surface.place(model, place)
        var target = try target(
            path: (rebase?(base) ?? base) + endpoint, query: rebase?(base) ?? base == base ? surface.query : nil,
            account: account, workersAIAccount: workersAIAccount)
        if let forms = surface.credentialForms { target.credentialForms = forms }
        return (target, name)
    }
}
