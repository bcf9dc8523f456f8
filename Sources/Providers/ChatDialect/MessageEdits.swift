import WireFormats

/// Brings the messages of a request into the form that an OpenAI-shaped provider takes (providers.md §11).
struct MessageEdits {
    let dialect: ChatDialect
    private var rules: ChatDialect.MessageRules { dialect.messages }

    init(dialect: ChatDialect) { self.dialect = dialect }

    /// - Parameter dropped: told of members that the provider does not get to know.
    func edit(_ list: JSONView, into edits: inout JSONEdits, noting dropped: inout DroppedMembers) {
        let merging = rules.neighbours == .merged ? Merging(list) : nil
        if let merging, !merging.absorbed.isEmpty {
            edits.filter(list) { index, _ in !merging.absorbed.contains(index) }
        }
        let last = list.lastElement?.bytes.baseAddress
        var index = 0
        list.forEachElement { message in
            defer { index += 1 }
            if merging?.absorbed.contains(index) == true { return }
            let isLast = message.bytes.baseAddress == last
            edit(message, merged: merging?.contents[index], isLast: isLast, into: &edits, noting: &dropped)
        }
    }

    /// - Parameter merged: JSON text of the content that the message gets from its neighbours.
    private func edit(
        _ message: JSONView, merged: String?, isLast: Bool, into edits: inout JSONEdits,
        noting dropped: inout DroppedMembers
    ) {
        guard message.kind == .object else { return }
        let role = message.member("role")?.string
        var added: [String] = []
        if isLast, role == "assistant", rules.beginnings == .marked, message.member("prefix") == nil,
            message.member("tool_calls")?.firstElement == nil
        {
            added.append(#""prefix":true"#)
        }
        var calls: JSONView?
        edits.edit(message, adding: added) { key, value in
            if rules.drops.contains(where: { key.isText($0) }) {
                if !value.isNull { dropped.add("messages." + String(decoding: key, as: UTF8.self)) }
                return .remove
            }
            if key.isText("role") {
                return role == "developer" && dialect.developerRole == .system ? .value(#""system""#) : .keep
            }
            if key.isText("content") { return content(value, role, merged) }
            if key.isText("tool_call_id"), let id = value.string, let short = shortened(id) {
                return .value(JSONPatch.quoted(short))
            }
            if key.isText("tool_calls") { calls = value }
            return .keep
        }
        calls?.forEachElement { call in
            guard let id = call.member("id"), let text = id.string, let short = shortened(text) else { return }
            edits.replace(id, with: JSONPatch.quoted(short))
        }
    }

    private func shortened(_ id: String) -> String? {
        switch rules.callIDs {
        case .anyText: return nil
        case .nineCharacters: return ShortCallID.isOne(id) ? nil : ShortCallID.of(id)
        case .fortyCharacters:
            guard id.unicodeScalars.count > 40 else { return nil }
            // Most of a long id is a signature that another gateway hung on it.
            let own = ThoughtSignature.detached(from: id).id
            return own.unicodeScalars.count > 40 ? "call_" + ShortCallID.of(own) : own
        }
    }

    private func content(_ value: JSONView, _ role: String?, _ merged: String?) -> JSONEdits.MemberChange {
        if let merged { return .value(merged) }
        switch rules.content {
        case .asGiven: return .keep
        case .joinedTexts: return value.joinedTexts.map { .value(JSONPatch.quoted($0)) } ?? .keep
        case .joinedResults:
            if value.isNull { return .value(#""""#) }
            guard role == "tool" else { return .keep }
            return value.joinedTexts.map { .value(JSONPatch.quoted($0)) } ?? .keep
        }
    }
}

/// Which messages go into the one before, for providers on whose side roles take turns.
private struct Merging {
    /// Messages that go into another, by their place.
    private(set) var absorbed: Set<Int> = []
    /// JSON text of the content of those that took others in, by their place.
    private(set) var contents: [Int: String] = [:]

    init(_ list: JSONView) {
        var head = 0
        var role: String?
        var parts: [JSONView] = []
        var index = 0
        func close(_ contents: inout [Int: String]) { if parts.count > 1 { contents[head] = Self.join(parts) } }
        list.forEachElement { message in
            let own = Self.mergingRole(message)
            if let own, own == role, let content = message.member("content") {
                absorbed.insert(index)
                parts.append(content)
            } else {
                close(&contents)
                (head, role) = (index, own)
                parts = message.member("content").map { [$0] } ?? []
                // A message without content has no place for a neighbour's.
                if parts.isEmpty { role = nil }
            }
            index += 1
        }
        close(&contents)
    }

    /// The role under which a message may take in others; nil for those that stand for themselves.
    private static func mergingRole(_ message: JSONView) -> String? {
        guard let role = message.member("role")?.string, message.member("tool_calls")?.firstElement == nil else {
            return nil
        }
        switch role {
        case "user", "assistant", "system": return role
        case "developer": return "system"
        default: return nil
        }
    }

    /// Texts become one text with an empty line between them, anything else a list of all parts.
    private static func join(_ contents: [JSONView]) -> String {
        let texts = contents.compactMap(\.string)
        if texts.count == contents.count { return JSONPatch.quoted(texts.joined(separator: "\n\n")) }
        var parts: [String] = []
        for content in contents {
            if let text = content.string {
                parts.append(#"{"type":"text","text":"# + JSONPatch.quoted(text) + "}")
            } else {
                content.forEachElement { parts.append(String(decoding: $0.bytes, as: UTF8.self)) }
            }
        }
        return "[" + parts.joined(separator: ",") + "]"
    }
}

extension JSONView {
    /// The texts of a list of parts, one after the other; nil when it is no list, or has parts of another type.
    var joinedTexts: String? {
        guard kind == .array else { return nil }
        var text = ""
        var isSound = true
        forEachElement { part in
            guard part.member("type")?.string == "text", let piece = part.member("text")?.string else {
                isSound = false
                return
            }
            text += piece
        }
        return isSound ? text : nil
    }
}
