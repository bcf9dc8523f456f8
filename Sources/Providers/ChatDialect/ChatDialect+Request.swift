package import GatewayCore
package import WireFormats

extension ChatDialect {
    /// Adds what has to change in an OpenAI chat request for the provider to take it.
    ///
    /// `model` and `stream_options` are the caller's.
    /// - Parameters:
    ///   - body: one valid JSON object, on which `edits` stands.
    ///   - dropped: told of what the provider does not get to know.
    /// - Errors: `.badChatCompletion` for what would change the shape of the answer.
    package func edit(
        _ body: UnsafeRawBufferPointer, for model: ChatModel, into edits: inout JSONEdits,
        noting dropped: inout DroppedMembers
    ) throws(GatewayError) {
        guard hasRules(for: model, body) else { return }
        let root = JSONView(body)
        let request = Facts(root, canThink: mayThink(model))
        if severalAnswers == .refused, let count = root.member("n"), !count.isNull, count.int != 1 {
            throw ChatCompletionRequest.refusal("`n` must be 1 for this provider")
        }
        edits.edit(root, adding: added(to: root, request)) { key, value in
            let change = change(key, value, model, request)
            if case .remove = change, !value.isNull, !isToldOtherwise(key, request) {
                dropped.add(String(decoding: key, as: UTF8.self))
            }
            return change
        }
        guard let list = root.member("messages"), list.kind == .array else { return }
        guard messages.concernsAll || wantsMessages(body) else { return }
        MessageEdits(dialect: self).edit(list, into: &edits, noting: &dropped)
    }

    /// Whether a member that is left out says nothing that the provider does not know.
    private func isToldOtherwise(_ key: UnsafeRawBufferPointer, _ request: Facts) -> Bool {
        if key.isText("n") || key.isText("max_tokens") || key.isText("max_completion_tokens") { return true }
        return key.isText("reasoning_effort") && noEffort == .disabledThinking && request.wantsNoEffort
    }

    /// What of the request other rules depend on.
    private struct Facts {
        /// Whether the model is going to think.
        var isThinking = false
        var canThink: Bool
        var hasCompletionLimit = false
        var hasThinking = false
        var wantsNoEffort = false

        init(_ root: JSONView, canThink: Bool) {
            self.canThink = canThink
            root.forEachRawMember { key, value in
                if value.isNull { return }
                if key.isText("max_completion_tokens") {
                    hasCompletionLimit = true
                } else if key.isText("reasoning_effort") {
                    wantsNoEffort = value.string == "none"
                } else if key.isText("thinking") {
                    hasThinking = true
                    if value.member("type")?.string == "disabled" { wantsNoEffort = true }
                }
            }
            isThinking = canThink && !wantsNoEffort
        }
    }

    /// Whether a model can think, as the catalogue or its name says.
    private func mayThink(_ model: ChatModel) -> Bool {
        if let capabilities = model.capabilities { return capabilities.contains("reasoning") }
        guard !model.name.contains("non-reasoning") else { return false }
        return thinkingNames.contains { model.name.hasPrefix($0) }
    }

    /// Whether anything could have to change, as far as it can be told without reading the request.
    private func hasRules(for model: ChatModel, _ body: UnsafeRawBufferPointer) -> Bool {
        if messages.concernsAll || !renames.isEmpty || warmest != nil || !refusedFormats.isEmpty { return true }
        if outputLimit == .maxTokens || outputLimit == .maxCompletionTokens { return true }
        if severalAnswers == .refused || noEffort != .asGiven { return true }
        if outputLimit == .maxCompletionTokensWhenReasoning, mayThink(model) { return true }
        if drops.contains(where: { applies($0.models, model, isThinking: true) }) { return true }
        return wantsMessages(body)
    }

    /// Whether the request holds a word that a rule for single messages is about.
    private func wantsMessages(_ body: UnsafeRawBufferPointer) -> Bool {
        if developerRole == .system, body.position(of: "\"developer\"") != nil { return true }
        if messages.callIDs == .fortyCharacters, body.position(of: "\"tool_call_id\"") != nil { return true }
        return messages.drops.contains { name in
            switch name.utf8CodeUnitCount {
            case 4: body.position(of: "\"name\"") != nil
            default: body.position(of: name) != nil
            }
        }
    }

    private func applies(_ models: Models, _ model: ChatModel, isThinking: Bool) -> Bool {
        switch models {
        case .all: true
        case .thinking: isThinking && mayThink(model)
        case .notThinking: model.capabilities.map { !$0.contains("reasoning") } ?? false
        case .named(let beginnings): beginnings.contains { model.name.hasPrefix($0) }
        }
    }

    private func added(to root: JSONView, _ request: Facts) -> [String] {
        guard noEffort == .disabledThinking, !request.hasThinking,
            root.member("reasoning_effort")?.string == "none"
        else { return [] }
        return [#""thinking":{"type":"disabled"}"#]
    }

    private func change(
        _ key: UnsafeRawBufferPointer, _ value: JSONView, _ model: ChatModel, _ request: Facts
    ) -> JSONEdits.MemberChange {
        for drop in drops where drop.members.contains(where: { key.isText($0) }) {
            guard applies(drop.models, model, isThinking: request.isThinking) else { continue }
            if let except = drop.except, value.bytes.isText(except) { continue }
            return .remove
        }
        if let name = renames.first(where: { key.isText($0.from) })?.to { return .key(name) }
        if key.isText("max_tokens") || key.isText("max_completion_tokens") {
            return value.isNull && outputLimit != .either ? .remove : limit(key, request)
        }
        if key.isText("temperature"), let warmest, let asked = value.double, asked > warmest.value {
            return .value(warmest.text)
        }
        if key.isText("tool_choice") { return choice(value, request) }
        if key.isText("n"), severalAnswers == .refused { return .remove }
        if key.isText("reasoning_effort"), noEffort == .disabledThinking, request.wantsNoEffort { return .remove }
        if key.isText("response_format"), let type = value.member("type")?.string, refusedFormats.contains(type) {
            return .remove
        }
        return .keep
    }

    /// Of both names the newer one counts (providers.md §6.1).
    private func limit(_ key: UnsafeRawBufferPointer, _ request: Facts) -> JSONEdits.MemberChange {
        let isNew = key.isText("max_completion_tokens")
        let wantsNew: Bool
        switch outputLimit {
        case .either: return .keep
        case .maxTokens: wantsNew = false
        case .maxCompletionTokens: wantsNew = true
        case .maxCompletionTokensWhenReasoning:
            if !request.canThink { return .keep }
            wantsNew = true
        }
        if !isNew, request.hasCompletionLimit { return .remove }
        return isNew == wantsNew ? .keep : .key(wantsNew ? "max_completion_tokens" : "max_tokens")
    }

    private func choice(_ value: JSONView, _ request: Facts) -> JSONEdits.MemberChange {
        let isForced = value.string == "required" || value.kind == .object
        switch forcedCalls {
        case .asGiven: return .keep
        case .any: return value.string == "required" ? .value(#""any""#) : .keep
        case .neverWhileThinking: return isForced && request.isThinking ? .remove : .keep
        }
    }
}
