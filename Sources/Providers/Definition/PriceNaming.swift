package import GatewayCore

/// How a provider's model names relate to the names in the price catalogue (providers.md §5.2).
package struct PriceNaming: Sendable {
    /// Publisher prefixes that a name may have or lack, each with its slash.
    package var publishers: [String] = []
    /// Prefixes that name where a request is computed, each with its dot.
    package var geographies: [String] = []
    /// Suffixes that do not change the price.
    package var suffixes: [String] = []
    /// Whose prices hold for the same model name where this provider's row is missing.
    package var fallback: ProviderID?
    /// Whether the catalogue may have rows at all.
    package var catalogue: Coverage = .listed

    /// Whose name LiteLLM's price file uses, where it is neither the slug nor an alias.
    package var importedAs: String?
    /// Whether the first part of a listed name is a region of this provider, which has no row of its own.
    var isRegion: @Sendable (Substring) -> Bool = { _ in false }

    /// The name by which a listed model is called on the OpenAI-compatible endpoint; nil: it cannot be called so.
    var callableName: @Sendable (_ listed: String) -> String? = { $0 }

    package enum Coverage: Sendable { case listed, never }

    init(
        publishers: [String] = [], geographies: [String] = [], suffixes: [String] = [], fallback: ProviderID? = nil,
        catalogue: Coverage = .listed, importedAs: String? = nil,
        isRegion: @escaping @Sendable (Substring) -> Bool = { _ in false }
    ) {
        self.publishers = publishers
        self.geographies = geographies
        self.suffixes = suffixes
        self.fallback = fallback
        self.catalogue = catalogue
        self.importedAs = importedAs
        self.isRegion = isRegion
    }
}
