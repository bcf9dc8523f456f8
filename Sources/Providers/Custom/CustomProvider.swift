package import GatewayCore

/// How an account's own provider is named and used by requests.
///
/// - Source: data-plane §3.4 · documented
package enum CustomProvider {
    /// Stands before the slug in URLs, model names and stored keys.
    package static let prefix = "custom-"
    /// Longest slug that may be stored.
    package static let slugLimit = 64

    /// The slug in a URL segment or model prefix; nil when it names no custom provider.
    ///
    /// The prefix is taken off once: a slug may begin with it as well.
    package static func slug(ofSegment segment: some StringProtocol) -> String? {
        guard segment.utf8.count > prefix.utf8.count, segment.hasPrefix(prefix) else { return nil }
        return String(segment.dropFirst(prefix.utf8.count))
    }

    /// The id under which logs, metrics and stored keys know the provider.
    package static func id(ofSlug slug: String) -> ProviderID { ProviderID(prefix + slug) }

    /// Whether a provider may be stored under this slug: letters, digits and hyphens, 1 to 64 of them.
    package static func isSlug(_ text: String) -> Bool {
        (1...slugLimit).contains(text.utf8.count)
            && text.utf8.allSatisfy { UntrustedPath.isAlphanumeric($0) || $0 == 0x2d }
    }

    /// What the data plane needs to call a provider; the same for the whole life of a snapshot.
    ///
    /// - Parameter headers: the opened text of `plan.headers`; nil when there is none.
    /// - Throws: `.invalidProvider` when it is disabled or its base URL cannot be used, `.storedKeyUnavailable` when it
    ///   has headers and none were opened.
    package static func definition(
        _ plan: CustomProviderPlan, headers: Secret<[UInt8]>? = nil
    ) throws(GatewayError) -> ProviderDefinition {
        guard plan.isEnabled else {
            throw GatewayError(.invalidProvider, origin: .client, detail: "custom-\(plan.slug) is disabled")
        }
        guard plan.headers == nil || headers != nil else {
            // Without them the call would not be what its owner decided on.
            throw GatewayError(
                .storedKeyUnavailable, origin: .gateway, detail: "the headers of custom-\(plan.slug) cannot be opened"
            )
        }
        var provider = try ProviderDefinition.custom(slug: plan.slug, baseURL: plan.baseURL)
        provider.standingHeaders = headers.flatMap { CustomHeaders.read($0.reveal()) } ?? []
        return provider
    }
}
