import GatewayCore
package import PostgresStore

/// A custom cost as a client sent it, checked against control-plane.md §8.2.
package enum CustomCostDraft {
    /// Kinds of tokens and pieces that can have a price of their own.
    package static let kinds = [
        "input_tokens", "output_tokens", "total_tokens", "input_text_tokens", "input_audio_tokens",
        "input_image_tokens", "input_video_tokens", "input_cached_tokens", "input_cache_creation_tokens",
        "output_reasoning_tokens", "input_image_count", "output_image_count",
    ]
    /// US dollars; what is dearer per token was meant per million.
    private static let dearest = 1.0
    private static let dearestImage = 1000.0

    /// Reads the body of a create call.
    package static func creation(_ body: JSONValue) throws(ControlError) -> CustomCostSettings {
        try apply(body, to: CustomCostSettings(provider: "", model: ""), .required)
    }

    /// Applies the body of a change call to what is in force; what is absent stays.
    package static func update(
        _ body: JSONValue, of current: CustomCostSettings
    ) throws(ControlError) -> CustomCostSettings {
        try apply(body, to: current, .optional)
    }

    private static func apply(
        _ body: JSONValue, to current: CustomCostSettings, _ presence: FieldReader.Presence
    ) throws(ControlError) -> CustomCostSettings {
        var settings = current
        var reader = FieldReader(body)
        if presence == .required || body["account_provider_id"] != nil {
            settings.provider = reader.requiredString("account_provider_id", lengths: 1...64)
        }
        if presence == .required || body["model"] != nil {
            settings.model = reader.requiredString("model", lengths: 1...512)
        }
        var rule: ModelRule? = settings.modelRule
        reader.choice("model_rule", into: &rule)
        settings.modelRule = rule ?? .equals
        price("cost_in", upTo: dearest, &reader, into: &settings.costIn)
        price("cost_out", upTo: dearest, &reader, into: &settings.costOut)
        var type: String? = settings.costType
        reader.string("cost_type", lengths: 1...64, into: &type)
        settings.costType = type ?? "tokens"
        reader.bool("enable", into: &settings.isEnabled)
        reader.integer("weight", in: Int(Int32.min)...Int(Int32.max), into: &settings.weight)
        var author: String? = settings.changedBy
        reader.string("changed_by", lengths: 0...256, into: &author)
        settings.changedBy = author ?? "manual"
        if let pricing = reader.member("token_pricing") {
            if pricing.isNull {
                settings.tokenPricing = nil
            } else {
                var form = FieldReader(pricing, path: reader.path + ["token_pricing"])
                var known: [JSONValue.Member] = []
                for kind in kinds {
                    var text: String?
                    price(kind, upTo: kind.hasSuffix("_count") ? dearestImage : dearest, &form, into: &text)
                    if let text { known.append(.init(kind, .number(text))) }
                }
                reader.adopt(form)
                settings.tokenPricing = JSONValue.object(known).encoded
            }
        }
        try reader.finish()
        return settings
    }

    /// A price that is not negative, as the literal that was sent, or null.
    private static func price(
        _ name: String, upTo limit: Double, _ reader: inout FieldReader, into target: inout String?
    ) {
        guard let value = reader.member(name) else { return }
        if value.isNull { return target = nil }
        guard case .number(let literal) = value, let number = value.double else {
            return reader.report(name, "Expected number")
        }
        guard (0...limit).contains(number), PicoDecimal(literal.utf8) != nil else {
            return reader.report(name, "Number must be from 0 to \(Int(limit)), in US dollars")
        }
        target = literal
    }
}
