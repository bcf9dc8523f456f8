package import GatewayCore
import NIOCore
import WireFormats

/// What a request's `cf-aig-*` headers ask for, parsed once.
///
/// An invalid value counts as absent (data-plane §2.1).
package struct Directives: Sendable {
    /// The gateway credential without its `Bearer` scheme; nil when absent or empty.
    package var authorization: Range<Int>?
    package var byokAlias: KeyAlias?
    package var requestTimeout: Duration?
    package var collectLog: Bool?
    package var collectLogPayload: Bool?
    /// A JSON object in text form after the rules of `Metadata`.
    package var metadata: String?
    package var customCost: CustomCost?
    package var eventID: String?

    package init() {}

    /// Longest event id that is taken over; a longer one is treated as absent · assumed.
    package static let eventIDLimit = 256

    /// Reads the directives of a head.
    package static func parse(_ head: RequestHead) -> Directives {
        var found = Directives()
        head.withBytes { bytes in
            for field in head.fields where field.kind == .other && field.nameLength > 8 {
                let first = bytes[Int(field.nameStart)]
                guard first | 0x20 == 0x63, hasGatewayPrefix(bytes, field.name) else { continue }
                found.take(bytes, field)
            }
        }
        return found
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer, _ field: FieldSlice) {
        typealias Name = RequestHeaderName
        let name = field.name
        let value = UnsafeRawBufferPointer(rebasing: bytes[field.value])
        if Name.authorization.matches(bytes, name) {
            authorization = Credential.withoutBearer(bytes, field.value)
        } else if Name.eventID.matches(bytes, name) {
            let text = String(decoding: value, as: UTF8.self)
            eventID = text.isEmpty || text.utf8.count > Self.eventIDLimit ? nil : text
        } else if Name.metadata.matches(bytes, name) {
            metadata = Metadata.sanitize(value)
        } else if Name.collectLog.matches(bytes, name) {
            collectLog = Self.boolean(value)
        } else if Name.collectLogPayload.matches(bytes, name) {
            collectLogPayload = Self.boolean(value)
        } else if Name.customCost.matches(bytes, name) {
            customCost = CustomCost(json: value)
        } else if Name.byokAlias.matches(bytes, name) {
            let text = String(decoding: value, as: UTF8.self)
            byokAlias = text.isEmpty ? nil : KeyAlias(text)
        } else if Name.requestTimeout.matches(bytes, name) {
            let text = String(decoding: value, as: UTF8.self)
            requestTimeout = Int(text).flatMap { $0 > 0 ? .milliseconds(min($0, 86_400_000)) : nil }
        }
    }

    /// Whether a field's name begins with `cf-aig-`, letters compared without case.
    package static func hasGatewayPrefix(_ bytes: UnsafeRawBufferPointer, _ name: Range<Int>) -> Bool {
        let prefix = RequestHeaderName.prefix
        guard name.count > prefix.utf8CodeUnitCount else { return false }
        return prefix.matches(bytes, name.lowerBound..<name.lowerBound + prefix.utf8CodeUnitCount)
    }

    /// `true`, `false`, `1`, `0` in any case; anything else is nil.
    static func boolean(_ value: UnsafeRawBufferPointer) -> Bool? {
        let whole = 0..<value.count
        if ("true" as StaticString).matches(value, whole) || ("1" as StaticString).matches(value, whole) { return true }
        if ("false" as StaticString).matches(value, whole) || ("0" as StaticString).matches(value, whole) {
            return false
        }
        return nil
    }
}

/// How credentials are written in header values.
package enum Credential {
    /// Words that may stand before a key in a credential field.
    private static let schemes: [StaticString] = ["bearer", "token", "key", "api-key"]

    /// The value without a leading `Bearer` scheme (any case) and the space around it; nil when nothing is left.
    ///
    /// - Source: data-plane §1.9: an empty `Bearer ` counts as absent; §3.1: a bare token is accepted.
    package static func withoutBearer(_ bytes: UnsafeRawBufferPointer, _ value: Range<Int>) -> Range<Int>? {
        without(schemes[0], bytes, value)
    }

    /// The value without any provider's scheme word; nil when nothing is left.
    package static func withoutScheme(_ bytes: UnsafeRawBufferPointer, _ value: Range<Int>) -> Range<Int>? {
        guard let first = value.first else { return nil }
        for scheme in schemes where scheme.utf8Start[0] == bytes[first] | 0x20 {
            guard let rest = without(scheme, bytes, value) else { return nil }
            if rest != value { return rest }
        }
        return value
    }

    private static func without(
        _ scheme: StaticString, _ bytes: UnsafeRawBufferPointer, _ value: Range<Int>
    ) -> Range<Int>? {
        var start = value.lowerBound
        let length = scheme.utf8CodeUnitCount
        if value.count >= length, scheme.matches(bytes, start..<start + length) {
            if value.count == length { return nil }
            if bytes[start + length] == 0x20 || bytes[start + length] == 0x09 {
                start += length
                while start < value.upperBound, bytes[start] == 0x20 || bytes[start] == 0x09 { start += 1 }
            }
        }
        return start < value.upperBound ? start..<value.upperBound : nil
    }
}
