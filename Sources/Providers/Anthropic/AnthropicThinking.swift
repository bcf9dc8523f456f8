import GatewayCore
import WireFormats

/// How a model is asked to think (providers.md §7.4).
enum AnthropicThinking {
    case off
    /// As the client wrote it, in Anthropic's own form.
    case given(JSONView)
    case adaptive(effort: String)
    /// For a model that always thinks and was asked not to.
    case effortOnly(String)
    case budget(Int)

    /// - Parameters:
    ///   - limit: tokens of the answer; raised when it is the gateway's own and too small to think in.
    ///   - isLimitOwn: whether the client left the limit to the gateway.
    init(
        _ chat: ChatCompletionRequest, _ model: ChatModel, limit: inout Int, isLimitOwn: Bool
    ) throws(GatewayError) {
        self = .off
        if let given = chat["thinking"], given.kind == .object {
            // A budget is refused where the model's last thoughts are missing.
            if given.member("type")?.string == "enabled", Self.lacksThinking(chat) { return }
            self = .given(given)
            if isLimitOwn, model.maxOutput == nil, let budget = given.member("budget_tokens")?.int {
                Self.raise(&limit, above: budget)
            }
            return
        }
        guard let effort = try chat.string("reasoning_effort") else { return }
        if model.has("adaptive") {
            if effort == "none" {
                if model.has("think_always") { self = .effortOnly("low") }
                return
            }
            self = .adaptive(effort: try Self.effort(effort, model))
        } else if model.has("reasoning"), effort != "none", !Self.lacksThinking(chat) {
            let budget = try Self.budget(effort)
            // What the catalogue says is the most that the model takes.
            if isLimitOwn, model.maxOutput == nil { Self.raise(&limit, above: budget) }
            // Less than this is no budget at all.
            guard limit > 1024 else { return }
            self = .budget(min(budget, limit - 1))
        }
    }

    /// Leaves room for an answer behind the thoughts: a budget that is no smaller than the limit is refused.
    private static func raise(_ limit: inout Int, above budget: Int) {
        if budget >= limit, budget < 1 << 30 { limit = budget + 4096 }
    }

    /// Whether the model is going to think.
    var isOn: Bool {
        switch self {
        case .off, .effortOnly: false
        case .given(let view): view.member("type")?.string != "disabled"
        case .adaptive, .budget: true
        }
    }

    /// What a request asks of thinking that it does not get.
    func dropped(from chat: ChatCompletionRequest) -> DroppedMembers {
        var dropped = DroppedMembers()
        let isGiven: Bool
        if case .given = self { isGiven = true } else { isGiven = false }
        if chat["thinking"] != nil, !isGiven { dropped.add("thinking") }
        if let effort = chat["reasoning_effort"]?.string, effort != "none", isGiven || (!isOn && self.effort == nil) {
            dropped.add("reasoning_effort")
        }
        return dropped
    }

    var effort: String? {
        switch self {
        case .adaptive(let effort), .effortOnly(let effort): effort
        case .off, .given, .budget: nil
        }
    }

    private static func effort(_ word: String, _ model: ChatModel) throws(GatewayError) -> String {
        switch word {
        case "minimal", "low": return "low"
        case "medium", "high": return word
        case "xhigh", "max": return model.has(word) ? word : "high"
        default: throw unknown(word)
        }
    }

    private static func budget(_ word: String) throws(GatewayError) -> Int {
        switch word {
        case "minimal", "low": return 1024
        case "medium": return 2048
        case "high": return 4096
        case "xhigh": return 8192
        case "max": return 16384
        default: throw unknown(word)
        }
    }

    private static func unknown(_ word: String) -> GatewayError {
        ChatCompletionRequest.refusal("`reasoning_effort` '\(word)' is not known")
    }

    /// The first calls of turns whose blocks of thinking a client left out; none where the model is not going to think.
    ///
    /// - Parameter body: one valid JSON object.
    static func callsWithoutBlocks(_ body: UnsafeRawBufferPointer, for model: ChatModel) -> [String] {
        guard body.position(of: "\"tool_calls\"") != nil, let chat = try? ChatCompletionRequest(body) else { return [] }
        let wantsThinking: Bool
        if let given = chat["thinking"], given.kind == .object {
            wantsThinking = given.member("type")?.string != "disabled"
        } else if let effort = chat["reasoning_effort"]?.string {
            wantsThinking = effort != "none" || model.has("think_always")
        } else {
            wantsThinking = model.has("think_always")
        }
        return wantsThinking ? chat.callsWithoutThinking : []
    }

    /// Whether the last turn of the model made calls, and its thinking did not come back with them: a model with a
    /// budget refuses to think then.
    private static func lacksThinking(_ chat: ChatCompletionRequest) -> Bool {
        guard let last = chat.messages.last(where: { $0.role == .assistant }) else { return false }
        return !last.calls.isEmpty && last.thinking.isEmpty
    }
}
