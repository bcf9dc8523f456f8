import WireFormats

/// Brings the choices of one answer into OpenAI's form (providers.md §11.1, N2–N5).
struct ChoiceEdits: Sendable {
    /// Where a choice keeps what the model said.
    enum Kind: Sendable { case message, delta }

    /// Reasons to stop that are none.
    enum Failure: Sendable { case error, overloaded }

    /// What is known of one choice of a stream.
    private struct Calls: Sendable {
        var places: [String: Int] = [:]
        var next = 0
        var last: Int?
    }

    private var calls: [Int: Calls] = [:]
    /// Whether a choice has said why it ended.
    private(set) var hasFinished = false
    private(set) var failure: Failure?

    /// More choices and calls than any answer has.
    private static let limit = 1024

    mutating func edit(_ choice: JSONView, _ kind: Kind, into edits: inout JSONEdits) {
        let index = choice.member("index")?.int ?? 0
        let message = choice.member(kind == .message ? "message" : "delta")
        if let message { edit(message, kind, of: index, into: &edits) }
        let hasCalls = calls[index] != nil
        // Of a stream's event only the piece counts; some repeat all of the message beside it.
        let isDoubled = kind == .delta && message != nil
        edits.edit(choice) { key, value in
            if isDoubled, key.isText("message") { return .remove }
            if key.isText("finish_reason") { return reason(value, hasCalls: hasCalls) }
            return .keep
        }
    }

    // MARK: Why it ended

    private mutating func reason(_ value: JSONView, hasCalls: Bool) -> JSONEdits.MemberChange {
        guard let word = value.string else { return .keep }
        if word.isEmpty { return .value("null") }
        hasFinished = true
        switch word {
        case "stop": return hasCalls ? .value(#""tool_calls""#) : .keep
        case "length", "tool_calls", "content_filter", "function_call": return .keep
        case "model_length", "max_tokens", "MAX_TOKENS": return .value(#""length""#)
        case "tool_call", "tool_use": return .value(#""tool_calls""#)
        case "safety", "SAFETY", "refusal": return .value(#""content_filter""#)
        case "error":
            failure = .error
            return .keep
        case "insufficient_system_resource":
            failure = .overloaded
            return .keep
        default: return .value(hasCalls ? #""tool_calls""# : #""stop""#)
        }
    }

    // MARK: What it said

    private mutating func edit(_ message: JSONView, _ kind: Kind, of choice: Int, into edits: inout JSONEdits) {
        var reasoning: String?
        var hasReasoning = false
        var list: JSONView?
        var content: (text: String, annotations: [String])?
        message.forEachRawMember { key, value in
            if key.isText("reasoning_content") {
                hasReasoning = hasReasoning || !value.isNull
            } else if key.isText("reasoning"), value.kind == .string {
                reasoning = String(decoding: value.bytes, as: UTF8.self)
            } else if key.isText("content"), value.kind == .array {
                let parts = Self.parts(value)
                content = (parts.text, parts.annotations)
                if !parts.thinking.isEmpty { reasoning = JSONPatch.quoted(parts.thinking) }
            } else if key.isText("tool_calls"), value.kind == .array {
                list = value
            }
        }
        var added: [String] = []
        if !hasReasoning, let reasoning { added.append(#""reasoning_content":"# + reasoning) }
        if let annotations = content?.annotations, !annotations.isEmpty {
            added.append(#""annotations":["# + annotations.joined(separator: ",") + "]")
        }
        if content != nil || !added.isEmpty {
            edits.edit(message, adding: added) { key, value in
                if let content, key.isText("content") { return .value(JSONPatch.quoted(content.text)) }
                // A null makes room for what is known.
                return !hasReasoning && reasoning != nil && key.isText("reasoning_content") ? .remove : .keep
            }
        }
        list?.forEachElement { edit(call: $0, kind, of: choice, into: &edits) }
    }

    /// The contents of a list of parts, by what they are.
    private static func parts(_ list: JSONView) -> (text: String, thinking: String, annotations: [String]) {
        var text = ""
        var thinking = ""
        var annotations: [String] = []
        list.forEachElement { part in
            switch part.member("type")?.string {
            case "text": text += part.member("text")?.string ?? ""
            case "thinking":
                let thoughts = part.member("thinking")
                thinking += thoughts?.string ?? ""
                thoughts?.forEachElement { thinking += $0.member("text")?.string ?? "" }
            case "reference": annotations.append(String(decoding: part.bytes, as: UTF8.self))
            default: break
            }
        }
        return (text, thinking, annotations)
    }

    private mutating func edit(call: JSONView, _ kind: Kind, of choice: Int, into edits: inout JSONEdits) {
        guard call.kind == .object, calls.count < Self.limit else { return }
        let id = call.member("id").flatMap { $0.string }
        var added: [String] = []
        let place = place(of: call, id, of: choice)
        if kind == .delta, call.member("index") == nil { added.append(#""index":\#(place)"#) }
        // Pieces after the first have neither.
        if call.member("type") == nil, kind == .message || id != nil { added.append(#""type":"function""#) }
        if !added.isEmpty { edits.edit(call, adding: added) { _, _ in .keep } }
        guard let arguments = call.member("function")?.member("arguments"), arguments.kind == .object else { return }
        edits.replace(arguments, with: JSONPatch.quoted(String(decoding: arguments.bytes, as: UTF8.self)))
    }

    /// The place of a call among those of its choice.
    private mutating func place(of call: JSONView, _ id: String?, of choice: Int) -> Int {
        var known = calls[choice] ?? Calls()
        defer { calls[choice] = known }
        let place: Int
        if let given = call.member("index")?.int {
            place = given
        } else if let id, !id.isEmpty {
            place = known.places[id] ?? known.next
        } else {
            place = known.last ?? known.next
        }
        if let id, known.places.count < Self.limit { known.places[id] = place }
        known.last = place
        known.next = max(known.next, place < Int.max ? place + 1 : place)
        return place
    }
}
