import GatewayCore

/// What a request's URL addresses, as ranges of the head's bytes (data-plane §1.1).
package struct Address: Sendable, Equatable {
    package enum Surface: Sendable, Equatable {
        /// `/v1/{account}/{gateway}/{provider}/…`
        case native
        /// `/v1/{account}/{gateway}/compat/…`
        case compat
        /// `/v1/{account}/{gateway}` with or without a trailing slash.
        case universal
        case health
        case readiness
        case elsewhere
    }

    package var surface: Surface
    package var account: Range<Int>
    package var gateway: Range<Int>
    /// The provider segment; empty on `universal`.
    package var provider: Range<Int>
    /// Everything after the provider segment's slash, without the query; may be empty.
    package var rest: Range<Int>
    /// Without the question mark; nil when there is none.
    package var query: Range<Int>?

    private static let nothing = 0..<0

    /// The provider segment of the OpenAI-compatible endpoint.
    package static let compatSegment: StaticString = "compat"

    /// Takes an origin-form target apart; nothing is percent-decoded.
    /// - Parameters:
    ///   - bytes: the head.
    ///   - target: where the target lies in them.
    package init(_ bytes: UnsafeRawBufferPointer, target: Range<Int>) {
        var end = target.upperBound
        query = nil
        for index in target where bytes[index] == 0x3f {
            query = index + 1..<target.upperBound
            end = index
            break
        }
        (account, gateway, provider, rest) = (Self.nothing, Self.nothing, Self.nothing, Self.nothing)
        surface = .elsewhere

        func segment(from start: Int) -> Range<Int> {
            var index = start
            while index < end, bytes[index] != 0x2f { index += 1 }
            return start..<index
        }
        guard target.lowerBound < end, bytes[target.lowerBound] == 0x2f else { return }
        let first = segment(from: target.lowerBound + 1)
        if first.upperBound == end {
            if ("healthz" as StaticString).equals(bytes, first) { surface = .health }
            if ("readyz" as StaticString).equals(bytes, first) { surface = .readiness }
            return
        }
        guard ("v1" as StaticString).equals(bytes, first) else { return }
        account = segment(from: first.upperBound + 1)
        guard account.upperBound < end else { return }
        gateway = segment(from: account.upperBound + 1)
        guard !gateway.isEmpty else { return }
        guard gateway.upperBound < end else {
            surface = .universal
            return
        }
        provider = segment(from: gateway.upperBound + 1)
        if provider.isEmpty, provider.upperBound == end {
            surface = .universal
            return
        }
        rest = min(provider.upperBound + 1, end)..<end
        surface = Self.compatSegment.equals(bytes, provider) ? .compat : .native
    }
}

extension StaticString {
    /// Whether `bytes[range]` is exactly this text.
    package func equals(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard range.count == utf8CodeUnitCount else { return false }
        return UnsafeRawBufferPointer(rebasing: bytes[range])
            .isSame(as: UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount))
    }
}
