package import GatewayCore
import NIOCore
import WireFormats

/// What a request's `cf-aig-*` headers ask for, parsed once.
///
/// An invalid value counts as absent, a number out of range is moved to the nearest end of it (data-plane §2.1). Of a
/// header that occurs more than once, the first valid value counts.
package struct Directives: Sendable, Equatable {
    /// The gateway credential without its `Bearer` scheme; nil when absent or empty.
    package private(set) var authorization: Range<Int>?
    /// Whether anything else was asked for; the rest of the properties is nil when not.
    package private(set) var hasSettings = false

    package private(set) var byokAlias: KeyAlias?
    package private(set) var noWholesale: Bool?
    package private(set) var zdr: Bool?

    /// Seconds: 0, which means off, or 60 to the longest time that is allowed.
    package private(set) var cacheTTL: Int?
    package private(set) var skipCache: Bool?
    /// Not empty, at most `cacheKeyLimit` bytes.
    package private(set) var cacheKey: String?

    package private(set) var requestTimeout: Duration?
    /// Tries, the first one included.
    package private(set) var maxAttempts: Int?
    package private(set) var retryDelay: Duration?
    package private(set) var backoff: RetryBackoff?

    package private(set) var collectLog: Bool?
    package private(set) var collectLogPayload: Bool?
    /// A JSON object in text form after the rules of `Metadata`.
    package private(set) var metadata: String?
    package private(set) var customCost: CustomCost?
    package private(set) var eventID: String?

    /// 32 hexadecimal digits in lower case, not all zero.
    package private(set) var traceID: String?
    /// 16 hexadecimal digits in lower case, not all zero.
    package private(set) var parentSpanID: String?

    /// Nothing is asked for.
    package init() {}

    /// Longest event id, in bytes, that is taken over; a longer one is treated as absent · assumed.
    package static let eventIDLimit = 256
    /// Longest cache key, in bytes, that is taken over; a longer one is treated as absent · assumed.
    package static let cacheKeyLimit = 1024

    /// Reads the directives of a head.
    package static func parse(_ head: RequestHead, within bounds: SettingBounds = .standard) -> Directives {
        var found = Directives()
        var deprecated = Deprecated()
        head.withBytes { bytes in
            for field in head.fields where field.kind == .other && field.nameLength > 8 {
                guard bytes[Int(field.nameStart)] | 0x20 == 0x63 else { continue }
                if hasGatewayPrefix(bytes, field.name) {
                    found.take(bytes, field, bounds)
                } else {
                    deprecated.take(bytes, field, bounds)
                }
            }
        }
        if deprecated.isPresent { found.fill(from: deprecated) }
        return found
    }

    /// Whether a field's name begins with `cf-aig-`, letters compared without case.
    package static func hasGatewayPrefix(_ bytes: UnsafeRawBufferPointer, _ name: Range<Int>) -> Bool {
        let prefix = RequestHeaderName.prefix
        guard name.count > prefix.utf8CodeUnitCount else { return false }
        return prefix.matches(bytes, name.lowerBound..<name.lowerBound + prefix.utf8CodeUnitCount)
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer, _ field: FieldSlice, _ bounds: SettingBounds) {
        typealias Name = RequestHeaderName
        let name = field.name
        if Name.authorization.matches(bytes, name) {
            authorization = authorization ?? Credential.withoutBearer(bytes, field.value)
            return
        }
        hasSettings = true
        let value = UnsafeRawBufferPointer(rebasing: bytes[field.value])
        if Name.eventID.matches(bytes, name) {
            eventID = eventID ?? SettingValue.text(value, limit: Self.eventIDLimit)
        } else if Name.metadata.matches(bytes, name) {
            metadata = metadata ?? Metadata.sanitize(value, limit: bounds.metadataEntries)
        } else if Name.collectLog.matches(bytes, name) {
            collectLog = collectLog ?? SettingValue.boolean(value)
        } else if Name.collectLogPayload.matches(bytes, name) {
            collectLogPayload = collectLogPayload ?? SettingValue.boolean(value)
        } else if Name.customCost.matches(bytes, name) {
            customCost = customCost ?? CustomCost(json: value)
        } else if Name.cacheTTL.matches(bytes, name) {
            cacheTTL = cacheTTL ?? SettingValue.number(value).map { SettingValue.cacheTTL($0, bounds) }
        } else if Name.skipCache.matches(bytes, name) {
            skipCache = skipCache ?? SettingValue.boolean(value)
        } else if Name.cacheKey.matches(bytes, name) {
            cacheKey = cacheKey ?? SettingValue.text(value, limit: Self.cacheKeyLimit)
        } else if Name.requestTimeout.matches(bytes, name) {
            requestTimeout = requestTimeout ?? SettingValue.number(value).flatMap(SettingValue.timeout)
        } else if Name.maxAttempts.matches(bytes, name) {
            maxAttempts = maxAttempts ?? SettingValue.number(value).map { SettingValue.attempts($0, bounds) }
        } else if Name.retryDelay.matches(bytes, name) {
            retryDelay = retryDelay ?? SettingValue.number(value).map { SettingValue.retryDelay($0, bounds) }
        } else if Name.backoff.matches(bytes, name) {
            backoff = backoff ?? SettingValue.backoff(value)
        } else {
            takeRare(bytes, name, value)
        }
    }

    private mutating func takeRare(
        _ bytes: UnsafeRawBufferPointer, _ name: Range<Int>, _ value: UnsafeRawBufferPointer
    ) {
        typealias Name = RequestHeaderName
        if Name.byokAlias.matches(bytes, name) {
            byokAlias = byokAlias ?? SettingValue.text(value, limit: value.count).map { KeyAlias($0) }
        } else if Name.noWholesale.matches(bytes, name) {
            // Restrictive: whichever of several says so.
            noWholesale = noWholesale == true ? true : SettingValue.boolean(value) ?? noWholesale
        } else if Name.zeroDataRetention.matches(bytes, name) {
            zdr = zdr ?? SettingValue.boolean(value)
        } else if Name.traceID.matches(bytes, name) {
            traceID = traceID ?? SettingValue.hexadecimal(value, digits: 32)
        } else if Name.parentSpanID.matches(bytes, name) {
            parentSpanID = parentSpanID ?? SettingValue.hexadecimal(value, digits: 16)
        }
    }

    private mutating func fill(from deprecated: Deprecated) {
        hasSettings = true
        cacheTTL = cacheTTL ?? deprecated.cacheTTL
        skipCache = skipCache ?? deprecated.skipCache
    }

    /// The values of the names that these headers had before.
    private struct Deprecated {
        var isPresent = false
        var cacheTTL: Int?
        var skipCache: Bool?

        mutating func take(_ bytes: UnsafeRawBufferPointer, _ field: FieldSlice, _ bounds: SettingBounds) {
            let value = UnsafeRawBufferPointer(rebasing: bytes[field.value])
            if RequestHeaderName.deprecatedCacheTTL.matches(bytes, field.name) {
                cacheTTL = cacheTTL ?? SettingValue.number(value).map { SettingValue.cacheTTL($0, bounds) }
                isPresent = true
            } else if RequestHeaderName.deprecatedSkipCache.matches(bytes, field.name) {
                skipCache = skipCache ?? SettingValue.boolean(value)
                isPresent = true
            }
        }
    }
}
