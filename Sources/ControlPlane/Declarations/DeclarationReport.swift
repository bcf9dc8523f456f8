import GatewayCore

/// What applying declarations changes, or would change; never a secret.
package struct DeclarationReport: Sendable, Equatable {
    /// One object that differs from what a file says.
    package struct Change: Sendable, Equatable {
        package enum Kind: String, Sendable { case create = "+", update = "~", delete = "-" }

        package var kind: Kind
        /// What it is, and its name: `route production/support`.
        package var object: String
        /// Members in one line each.
        package var details: [String]
    }

    package var changes: [Change] = []

    package var created: Int { count(.create) }
    package var updated: Int { count(.update) }
    package var deleted: Int { count(.delete) }
    private func count(_ kind: Change.Kind) -> Int { changes.count { $0.kind == kind } }

    /// Every change with its details, a line each; empty when there is none.
    package var lines: [String] {
        changes.flatMap { change in
            ["\(change.kind.rawValue) \(change.object)"] + change.details.map { "    " + $0 }
        }
    }
}

/// The differences between two forms of one object, a line for each; what may hold a credential is masked.
struct DeclarationDifferences {
    private(set) var lines: [String] = []

    init(from old: JSONValue, to new: JSONValue) {
        compare(old, new, [])
        // Elements with ids are compared by these.
        if lines.isEmpty, !old.says(new) { lines = ["the order of its elements"] }
    }

    /// The members of a new object.
    static func members(of form: JSONValue, without names: Set<String>) -> [String] {
        (form.members ?? []).filter { !names.contains($0.name) }.map { member in
            "\(member.name): " + DeclarationText.shown(concealed(member.value, [member.name]))
        }
    }

    private mutating func compare(_ old: JSONValue?, _ new: JSONValue?, _ path: [String]) {
        if let old, let new, old.says(new) { return }
        if Self.isHidden(path, old ?? new), old != nil, new != nil {
            lines.append(Self.text(path) + ": its value changes")
        } else if let before = old?.members, let after = new?.members {
            compare(all: before.map { ($0.name, $0.value) }, after.map { ($0.name, $0.value) }, path)
        } else if let before = old?.elements, let after = new?.elements {
            compare(all: Self.named(before), Self.named(after), path)
        } else {
            lines.append("\(Self.text(path)): \(Self.shown(old, path)) -> \(Self.shown(new, path))")
        }
    }

    private mutating func compare(
        all old: [(String, JSONValue)], _ new: [(String, JSONValue)], _ path: [String]
    ) {
        let before = Dictionary(old, uniquingKeysWith: { $1 })
        let after = Dictionary(new, uniquingKeysWith: { $1 })
        for (name, value) in new { compare(before[name], value, path + [name]) }
        for (name, value) in old where after[name] == nil { compare(value, nil, path + [name]) }
    }

    /// Elements by their ids where they have some, else by their numbers.
    private static func named(_ elements: [JSONValue]) -> [(String, JSONValue)] {
        let ids = elements.compactMap { $0["id"]?.text }
        if ids.count == elements.count, Set(ids).count == ids.count { return Array(zip(ids, elements)) }
        return elements.enumerated().map { (String($0), $1) }
    }

    private static func shown(_ value: JSONValue?, _ path: [String]) -> String {
        value.map { DeclarationText.shown(concealed($0, path)) } ?? "unset"
    }

    private static func text(_ path: [String]) -> String {
        path.map { DeclarationText.shown(String($0.prefix(128))) }.joined(separator: ".")
    }

    /// The value with a mask in place of header values.
    private static func concealed(_ value: JSONValue, _ path: [String]) -> JSONValue {
        if isHidden(path, value) { return .string(Secret.mask) }
        switch value {
        case .array(let elements):
            return .array(elements.enumerated().map { concealed($1, path + [String($0)]) })
        case .object(let members):
            return .object(members.map { .init($0.name, concealed($0.value, path + [$0.name])) })
        default: return value
        }
    }

    /// Header values: of custom providers, and of a gateway's exporters.
    private static func isHidden(_ path: [String], _ value: JSONValue?) -> Bool {
        switch path.count {
        case 1: path[0] == "headers" && value?.members == nil
        case 2: path[0] == "headers"
        case 4: path[0] == "otel" && path[2] == "headers"
        default: false
        }
    }
}
