package import GatewayCore
import WireFormats

/// Prices that a request brings along in `cf-aig-custom-cost` (data-plane §7.4 · documented).
package struct CustomCost: Sendable, Equatable {
    /// Dollars per input token.
    package var perTokenIn: PicoDecimal?
    /// Dollars per output token.
    package var perTokenOut: PicoDecimal?
    package var perCacheReadToken: PicoDecimal?
    package var perCacheWriteToken: PicoDecimal?
    /// Dollars for the whole request, whatever its tokens.
    package var total: PicoDecimal?

    /// Reads the header's JSON object; nil when it is none, or has no usable price.
    package init?(json value: UnsafeRawBufferPointer) {
        guard JSONScan.validate(value) else { return nil }
        let view = JSONView(value)
        guard view.kind == .object else { return nil }
        func price(_ name: StaticString) -> PicoDecimal? {
            view.member(name).flatMap { $0.kind == .number ? PicoDecimal($0.bytes) : nil }
        }
        perTokenIn = price("per_token_in")
        perTokenOut = price("per_token_out")
        perCacheReadToken = price("per_cache_read_token")
        perCacheWriteToken = price("per_cache_write_token")
        total = price("total_cost")
        if perTokenIn == nil, perTokenOut == nil, total == nil { return nil }
    }
}
