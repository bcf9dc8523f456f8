package import GatewayCore
package import NIOCore
import WireFormats

/// The models of the price list that can be called through the OpenAI-compatible endpoint (data-plane §1.4).
///
/// - Source: providers.md §14 · observed: `{"object":"list","data":[{"id","object","owned_by","created_at","cost_in",
///   "cost_out"}]}`, costs in dollars per token
package struct ModelList {
    package let json: ByteBuffer

    /// - Parameter instant: models that are retired by then are left out.
    package init(_ registry: ProviderRegistry, _ catalog: PriceCatalog, at instant: Instant) {
        var providers: [ProviderID: ProviderDefinition] = [:]
        for provider in registry.all { providers[provider.id] = provider }
        var out = JSONWriter()
        out.beginObject()
        out.key("object")
        out.string("list")
        out.key("data")
        out.beginArray()
        var listed: Set<String> = []
        catalog.forEachEntry { row, aliases in
            guard let provider = providers[row.provider], Self.canServe(row, provider) else { return }
            if let until = row.until, until <= instant { return }
            for name in [row.model] + aliases {
                guard let bare = provider.prices.callableName(name) else { continue }
                let id = provider.modelPrefix + "/" + bare
                guard listed.insert(id).inserted else { continue }
                Self.write(id, row, provider, into: &out)
            }
        }
        out.endArray()
        out.endObject()
        json = out.buffer
    }

    private static func canServe(_ row: PriceRow, _ provider: ProviderDefinition) -> Bool {
        switch row.mode {
        case "chat":
            return provider.compat.surface != nil || provider.compat.translator(for: row.model) != nil
        case "responses":
            if case .native = provider.responses { return true }
            return false
        case "embedding":
            switch provider.embeddings {
            case .unsupported: return false
            case .openAI, .adapted: return true
            case .translated(let find): return find(row.model) != nil
            }
        default: return false
        }
    }

    private static func write(_ id: String, _ row: PriceRow, _ provider: ProviderDefinition, into out: inout JSONWriter)
    {
        let created = Int((row.since?.milliseconds ?? 0) / 1000)
        out.beginObject()
        out.key("id")
        out.string(id)
        out.key("object")
        out.string("model")
        out.key("created")
        out.int(created)
        out.key("created_at")
        out.int(created)
        out.key("owned_by")
        out.string(provider.id.rawValue)
        out.key("cost_in")
        out.raw(perToken(row.rates[.input]))
        out.key("cost_out")
        out.raw(perToken(row.rates[.output]))
        out.endObject()
    }

    /// A rate per million tokens as JSON text of dollars per token, exactly; `null` where it is unknown.
    static func perToken(_ rate: PicoDecimal?) -> String {
        guard let rate else { return "null" }
        guard rate.units > 0 else { return "0" }
        // Units of 10⁻¹² dollars per million are 10⁻¹⁸ dollars per token.
        let whole = String(rate.units)
        let padded = String(repeating: "0", count: max(0, 19 - whole.utf8.count)) + whole
        var text = padded.dropLast(18) + "." + padded.suffix(18)
        while text.last == "0" { text.removeLast() }
        if text.last == "." { text.removeLast() }
        return String(text)
    }
}
