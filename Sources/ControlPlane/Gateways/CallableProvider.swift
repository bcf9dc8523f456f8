import Providers

/// What may stand behind a gateway in a URL of the data port.
package enum CallableProvider {
    /// Whether it is a provider of ours by any of its names, a custom one, or the OpenAI-compatible endpoint.
    package static func isKnown(segment: String) -> Bool {
        if segment == "compat" { return true }
        if let slug = CustomProvider.slug(ofSegment: segment) { return CustomProvider.isSlug(slug) }
        return ProviderRegistry.builtIn.provider(segment: segment) != nil
    }
}
