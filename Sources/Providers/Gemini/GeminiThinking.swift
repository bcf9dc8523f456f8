import GatewayCore
import WireFormats

/// How a model is asked to think (providers.md §8.3).
struct GeminiThinking {
    private enum Amount {
        case usual
        case budget(Int)
        case level(StaticString)
    }

    private var amount = Amount.usual
    /// Whether what the client says of its effort counts.
    private(set) var hearsEffort = true
    private let given: JSONView?

    init(_ chat: ChatCompletionRequest, _ vendor: GeminiVendorFields, _ model: GeminiModel) throws(GatewayError) {
        given = vendor.thinking
        guard let effort = try chat.string("reasoning_effort") else { return }
        let words = ["none", "minimal", "low", "medium", "high", "xhigh", "max"]
        guard words.contains(effort) else {
            throw ChatCompletionRequest.refusal("`reasoning_effort` '\(effort)' is not known")
        }
        // The client's own budget or level stands; both at once are refused.
        var isSet = false
        given?.forEachMember { key, _ in
            let name = GeminiVendorFields.camelCase(key)
            if name == "thinkingBudget" || name == "thinkingLevel" { isSet = true }
        }
        if isSet {
            hearsEffort = false
            return
        }
        switch model.thinkingControl {
        case .none: hearsEffort = effort == "none"
        case .budget: amount = .budget(Self.budget(effort, model))
        case .level: amount = .level(Self.level(effort, model))
        }
    }

    /// Google's own figures for OpenAI's words.
    private static func budget(_ effort: String, _ model: GeminiModel) -> Int {
        switch effort {
        case "none": model.leastBudget
        case "minimal": 512
        case "low": 1024
        case "medium": 8192
        default: 24_576
        }
    }

    private static func level(_ effort: String, _ model: GeminiModel) -> StaticString {
        switch effort {
        case "none", "minimal": model.hasMinimalLevel ? "minimal" : "low"
        case "low": "low"
        case "medium": "medium"
        case "high": "high"
        default: model.facts.has("xhigh") ? "xhigh" : "high"
        }
    }

    /// The value of `thinkingConfig`; nil when there is nothing to say.
    var json: String? {
        var members: [String] = []
        given?.forEachMember { key, value in
            members.append(JSONPatch.quoted(GeminiVendorFields.camelCase(key)) + ":" + value.compactText)
        }
        switch amount {
        case .usual: break
        case .budget(let tokens): members.append(#""thinkingBudget":\#(tokens)"#)
        case .level(let word): members.append(#""thinkingLevel":"\#(word)""#)
        }
        return members.isEmpty ? nil : "{" + members.joined(separator: ",") + "}"
    }
}
