import Yams

/// Declarations as text: a whole file of them, and single values in the lines of a comparison.
enum DeclarationText {
    /// Longest value in a line of a comparison, in characters.
    private static let longestShown = 100
    /// Longest object or list that is written on one line, in bytes of its JSON.
    private static let longestLine = 64

    /// A document as YAML that reads back as the same, with its end mark; equal documents give equal text.
    static func yaml(_ document: JSONValue) throws(DeclarationFailure) -> String {
        do {
            let text = try Yams.serialize(node: node(document, depth: 0), indent: 2, width: -1, allowUnicode: true)
            return text + DeclarationDocument.endMark + "\n"
        } catch {
            throw .internalFailure("declarations could not be written: \(error)")
        }
    }

    private static func node(_ value: JSONValue, depth: Int) -> Node {
        switch value {
        case .null: return .scalar(Node.Scalar("null", .implicit, .plain))
        case .bool(let flag): return .scalar(Node.Scalar(flag ? "true" : "false", .implicit, .plain))
        case .number(let literal): return .scalar(Node.Scalar(literal, .implicit, .plain))
        case .string(let text): return .scalar(scalar(text))
        case .array(let elements):
            return .sequence(
                Node.Sequence(
                    elements.map { node($0, depth: depth + 1) }, .implicit, isLine(value, depth) ? .flow : .block
                )
            )
        case .object(let members):
            let pairs = members.map { (Node.scalar(scalar($0.name)), node($0.value, depth: depth + 1)) }
            return .mapping(Node.Mapping(pairs, .implicit, isLine(value, depth) ? .flow : .block))
        }
    }

    /// Small things deep inside stand on one line; so does what is empty.
    private static func isLine(_ value: JSONValue, _ depth: Int) -> Bool {
        if value.elements?.isEmpty ?? value.members?.isEmpty ?? false { return true }
        return depth > 4 && value.bytes.count <= longestLine
    }

    /// Quoted unless every reader of YAML, of the older version as well, takes the bare words for this text.
    private static func scalar(_ text: String) -> Node.Scalar {
        let isLongText = text.contains("\n") && !text.hasPrefix(" ") && !text.hasPrefix("\n")
        if isLongText { return Node.Scalar(text, Tag(.str), .literal) }
        let isPlain = text.utf8.first.map { ($0 | 0x20) >= 0x61 && ($0 | 0x20) <= 0x7a } ?? false
        let words: Set = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"]
        let isBare = isPlain && !words.contains(text.lowercased())
        return Node.Scalar(text, Tag(.str), isBare ? .plain : .doubleQuoted)
    }

    // MARK: Comparisons

    /// A value in one line; long ones are cut.
    static func shown(_ value: JSONValue) -> String {
        let text = value.encoded
        return text.count <= longestShown ? printable(text) : printable(String(text.prefix(longestShown))) + "…"
    }

    /// A name as it is, or quoted when it has characters that could play tricks on a terminal or on a reader.
    static func shown(_ name: String) -> String {
        let isPlain = !name.isEmpty && name.unicodeScalars.allSatisfy { isPrintable($0) && $0 != "\"" }
        return isPlain ? name : printable(JSONValue.string(name).encoded)
    }

    private static func printable(_ text: String) -> String {
        var out = ""
        for scalar in text.unicodeScalars {
            out += isPrintable(scalar) ? String(scalar) : "\\u{" + String(scalar.value, radix: 16) + "}"
        }
        return out
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }
}
