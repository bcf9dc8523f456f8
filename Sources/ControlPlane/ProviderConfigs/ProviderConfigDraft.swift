import GatewayCore
import PostgresStore
import Providers

/// A provider config as a caller describes it, but for its secret (control-plane.md §7).
struct ProviderConfigDraft {
    var provider: ProviderID
    var alias: KeyAlias
    var isDefault = false
    var rateLimit: Int?
    /// Seconds.
    var rateLimitPeriod: Int? = 60

    /// - Parameter canonicalProvider: replaces the other names of a provider by the one that routes use.
    init(_ reader: inout FieldReader, _ canonicalProvider: (String) -> ProviderID) {
        let slug = reader.requiredString("provider_slug", lengths: 1...80)
        if !slug.isEmpty, !Self.isSlug(slug) { reader.report("provider_slug", "Invalid provider slug") }
        provider = canonicalProvider(slug)
        let name = reader.requiredString("alias", lengths: 1...128)
        if name.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) {
            reader.report("alias", "String must not contain control characters")
        }
        alias = KeyAlias(name)
        reader.bool("default_config", .required, into: &isDefault)
        reader.integer("rate_limit", in: 0...Int(Int32.max), into: &rateLimit)
        reader.integer("rate_limit_period", in: 0...Int(Int32.max), into: &rateLimitPeriod)
    }

    /// The config, without a secret yet.
    func config(id: String, of gateway: GatewayID, in account: AccountID, now: Instant) -> ProviderConfig {
        ProviderConfig(
            id: id, account: account, gateway: gateway, provider: provider, alias: alias, isDefault: isDefault,
            secret: "", secretPreview: "", rateLimit: rateLimit, rateLimitPeriodSeconds: rateLimitPeriod,
            modifiedAt: now
        )
    }

    private static func isSlug(_ text: String) -> Bool {
        if let own = CustomProvider.slug(ofSegment: text) { return CustomProvider.isSlug(own) }
        return text.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
                || $0 == UInt8(ascii: "_")
        }
    }
}
