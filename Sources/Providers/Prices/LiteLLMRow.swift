import GatewayCore
import WireFormats

/// One model of LiteLLM's file in the members of a row of ours (providers.md §5.1).
struct LiteLLMRow: Sendable {
    /// JSON text by member.
    var members: [String: String] = [:]
    /// The place in front of the name it was listed under.
    var geography: String?
    /// Further places.
    var geographies: [String] = []

    /// How a price of LiteLLM's becomes one of ours.
    private enum Scale: Int64 {
        case same = 1
        case perThousand = 1000
        case perMillion = 1_000_000
    }

    private static let rates: [(theirs: StaticString, ours: String, scale: Scale)] = [
        ("input_cost_per_token", "in", .perMillion), ("output_cost_per_token", "out", .perMillion),
        ("cache_read_input_token_cost", "cached", .perMillion),
        ("cache_creation_input_token_cost", "write", .perMillion),
        ("cache_creation_input_token_cost_above_1hr", "write_1h", .perMillion),
        ("input_cost_per_audio_token", "in_audio", .perMillion),
        ("output_cost_per_audio_token", "out_audio", .perMillion),
        ("cache_read_input_audio_token_cost", "cached_audio", .perMillion),
        ("input_cost_per_image_token", "in_image", .perMillion),
        ("output_cost_per_image_token", "out_image", .perMillion),
        ("output_cost_per_reasoning_token", "reasoning", .perMillion),
        ("citation_cost_per_token", "citation", .perMillion),
        ("input_cost_per_character", "per_mchar", .perMillion),
        ("output_cost_per_character", "per_mchar_out", .perMillion),
        ("input_cost_per_second", "per_second", .same), ("output_cost_per_second", "per_second_out", .same),
        ("output_cost_per_image", "per_image", .same), ("input_cost_per_image", "per_image_in", .same),
        ("ocr_cost_per_page", "per_page", .same), ("input_cost_per_query", "per_request", .same),
    ]

    private static let modes: [String: String] = [
        "embedding": "embedding", "completion": "completion", "responses": "responses", "rerank": "rerank",
        "image_generation": "image_generation", "image_edit": "image_generation", "audio_speech": "audio_speech",
        "audio_transcription": "audio_transcription", "realtime": "realtime", "video_generation": "video_generation",
        "ocr": "ocr", "search": "search", "moderation": "moderation", "moderations": "moderation",
    ]

    /// What is kept of a built-in row: nothing of LiteLLM's says it.
    private static let kept = [
        "mode", "alias", "match", "mult", "geo", "geo_only", "fast", "caps", "ctx", "max_out", "batch", "flex",
        "priority", "until",
    ]
    /// Kept as long as the price they are a variant of is the same.
    private static let keptWithPrice = [
        "off_peak", "next", "tiers", "web_search", "per_request", "cached", "write", "write_1h", "write_12h",
        "in_audio",
        "out_audio", "cached_audio", "in_image", "out_image", "cached_image", "in_video", "out_video", "reasoning",
        "citation",
    ]

    /// Nil when the entry has no price.
    init?(_ entry: JSONView) {
        for rate in Self.rates { members[rate.ours] = Self.price(entry.member(rate.theirs), rate.scale) }
        if let sizes = Self.searchPrices(entry) { members["web_search"] = sizes }
        guard !members.isEmpty else { return nil }
        for tier in ["batches": "batch", "flex": "flex", "priority": "priority"] {
            members[tier.value] = Self.variant(entry, suffix: "_" + tier.key)
        }
        members["tiers"] = Self.tiers(entry)
        if let mode = entry.member("mode")?.string.flatMap({ Self.modes[$0] }) {
            members["mode"] = JSONPatch.quoted(mode)
            // What a picture costs that is made is not what one costs that is shown.
            if mode == "image_generation", members["per_image"] == nil {
                members["per_image"] = members.removeValue(forKey: "per_image_in")
            }
        }
        if let count = entry.member("max_input_tokens")?.int, count > 0 { members["ctx"] = String(count) }
        if let count = entry.member("max_output_tokens")?.int, count > 0 { members["max_out"] = String(count) }
        if let date = entry.member("deprecation_date")?.string, PriceRowReader.instant(date) != nil {
            members["until"] = JSONPatch.quoted(date)
        }
    }

    /// Takes over what the built-in row of the same model knows besides.
    mutating func complete(from row: JSONView) {
        func text(_ name: String) -> String? {
            var found: String?
            row.forEachMember { key, value in
                if key == name { found = String(decoding: value.bytes, as: UTF8.self) }
            }
            return found
        }
        for name in Self.kept where members[name] == nil { members[name] = text(name) }
        guard row.member("in").flatMap({ PicoDecimal($0.bytes) }) == members["in"].flatMap({ PicoDecimal($0.utf8) })
        else { return }
        for name in Self.keptWithPrice where members[name] == nil { members[name] = text(name) }
    }

    func text(provider: String, model: String) -> String {
        let first = "\"provider\":" + JSONPatch.quoted(provider) + ",\"model\":" + JSONPatch.quoted(model)
        let rest = members.sorted { $0.key < $1.key }.map { ",\"\($0.key)\":\($0.value)" }.joined()
        return "{" + first + rest + ",\"src\":\"l\"}"
    }

    // MARK: Prices

    private static func price(_ view: JSONView?, _ scale: Scale) -> String? {
        guard let view else { return nil }
        let number = view.kind == .number ? PicoDecimal(view.bytes) : view.string.flatMap { PicoDecimal($0.utf8) }
        guard let number else { return nil }
        let (scaled, overflow) = number.units.multipliedReportingOverflow(by: scale.rawValue)
        return overflow ? nil : PicoUSD(picoDollars: scaled).decimalString
    }

    private static func searchPrices(_ entry: JSONView) -> String? {
        guard let sizes = entry.member("search_context_cost_per_query") else { return nil }
        let names: [(StaticString, String)] = [
            ("search_context_size_low", "low"), ("search_context_size_medium", "medium"),
            ("search_context_size_high", "high"),
        ]
        let parts = names.compactMap { name, ours in
            price(sizes.member(name), .perThousand).map { "\"\(ours)\":\($0)" }
        }
        return parts.isEmpty ? nil : "{" + parts.joined(separator: ",") + "}"
    }

    /// The token prices of a service tier, which have the same names with a suffix.
    private static func variant(_ entry: JSONView, suffix: String) -> String? {
        var parts: [String] = []
        entry.forEachMember { key, value in
            guard key.hasSuffix(suffix) else { return }
            let bare = key.dropLast(suffix.count)
            guard let rate = rates.first(where: { $0.theirs.description == bare }), rate.scale == .perMillion,
                let text = price(value, rate.scale)
            else { return }
            parts.append("\"\(rate.ours)\":\(text)")
        }
        return parts.isEmpty ? nil : "{" + parts.sorted().joined(separator: ",") + "}"
    }

    /// Prices for requests beyond a size: `…_above_200k_tokens`.
    private static func tiers(_ entry: JSONView) -> String? {
        var tiers: [Int: [String]] = [:]
        entry.forEachMember { key, value in
            guard key.hasSuffix("k_tokens"), let mark = Self.position(of: "_above_", in: key),
                let thousands = Int(key[mark.upperBound...].dropLast("k_tokens".count)), (1...100_000) ~= thousands,
                let rate = rates.first(where: { $0.theirs.description == key[..<mark.lowerBound] }),
                let text = price(value, rate.scale)
            else { return }
            tiers[thousands * 1000, default: []].append("\"\(rate.ours)\":\(text)")
        }
        guard !tiers.isEmpty else { return nil }
        let parts = tiers.sorted { $0.key < $1.key }.map { over, rates in
            "{\"over\":\(over)," + rates.sorted().joined(separator: ",") + "}"
        }
        return "[" + parts.joined(separator: ",") + "]"
    }

    /// The last place of a word.
    private static func position(of word: String, in text: String) -> Range<String.Index>? {
        var end = text.endIndex
        while let start = text.index(end, offsetBy: -word.count, limitedBy: text.startIndex) {
            if text[start..<end] == word { return start..<end }
            guard end > text.startIndex else { return nil }
            end = text.index(before: end)
        }
        return nil
    }
}
