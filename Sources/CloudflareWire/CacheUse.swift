package import GatewayCore

/// Whether and how one call uses the cache.
///
/// - Source: data-plane §4.1, "Which request uses the cache"
package enum CacheUse: Sendable, Equatable {
    /// No stored answer will do and this one is not kept.
    case off
    case on(CacheOptions)

    /// Decides from the gateway's seconds and the headers in force.
    /// - Parameters:
    ///   - gatewaySeconds: 0 when the gateway does not cache by itself.
    ///   - header: `cf-aig-cache-ttl`; 0 turns the cache off, anything else turns it on even where the gateway's is off.
    ///   - customKey: `cf-aig-cache-key`; turns the cache on as well, for five minutes where nobody names a time.
    ///   - lookup: `.skip` never turns the cache on; the answer refreshes the entry where it is on otherwise.
    init(
        gatewaySeconds: Int, header: Int?, customKey: String?, lookup: CacheLookup,
        within bounds: SettingBounds = .standard
    ) {
        let fallback = customKey == nil ? 0 : Self.secondsForKeyAlone
        let seconds = SettingValue.cacheTTL(
            header ?? (gatewaySeconds > 0 ? gatewaySeconds : fallback), bounds
        )
        guard seconds > 0 else {
            self = .off
            return
        }
        self = .on(CacheOptions(timeToLive: seconds, customKey: customKey, lookup: lookup))
    }

    /// The lifetime where a key is all that opts in.
    private static let secondsForKeyAlone = 300
}

/// How a call that uses the cache uses it.
package struct CacheOptions: Sendable, Equatable {
    /// Seconds, 60 or more.
    package var timeToLive: Int
    /// Replaces the computed key.
    package var customKey: String?
    package var lookup: CacheLookup

    package init(timeToLive: Int, customKey: String? = nil, lookup: CacheLookup = .read) {
        self.timeToLive = timeToLive
        self.customKey = customKey
        self.lookup = lookup
    }

    /// Whether an event stream is kept as well: only for who opted in by name (data-plane §4.1 · assumed).
    package var keepsStreams: Bool { customKey != nil }
}
