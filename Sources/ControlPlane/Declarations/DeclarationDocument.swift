import Yams

/// A file of declarations as it was written: a YAML document, and where its parts stand.
///
/// Plain words mean what YAML 1.2's core schema says: `true` and `false`, `null` and `~`, numbers as JSON has them;
/// `yes`, `on` or `0x10` are text. Anchors, aliases and merge keys (`<<`) work.
struct DeclarationDocument {
    /// Bytes.
    static let largestFile = 8 << 20
    /// Values, each use of an anchor counted: what a few lines of aliases can grow to is bounded as well.
    private static let mostValues = 1_000_000
    /// Levels.
    private static let deepest = 100
    /// The line with which a YAML document ends.
    static let endMark = "..."

    let content: JSONValue
    private let root: Node

    init(_ bytes: [UInt8]) throws(DeclarationFailure) {
        guard bytes.count <= Self.largestFile else {
            throw .refused([DeclarationProblem([], "The file is longer than \(Self.largestFile >> 20) MiB")])
        }
        guard var text = String(validating: bytes, as: UTF8.self) else {
            throw .refused([DeclarationProblem([], "The file is not UTF-8 text")])
        }
        if text.unicodeScalars.first == "\u{FEFF}" { text.unicodeScalars.removeFirst() }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw .refused([Self.problem(error)])
        }
        guard let root else { throw .refused([DeclarationProblem([], "The file is empty")]) }
        self.root = root
        var values = 0
        content = try Self.value(root, [], &values)
    }

    /// Whether the last line is YAML's end mark; empty lines and comments may follow it.
    static func isMarkedAsComplete(_ bytes: [UInt8]) -> Bool {
        let spaces: Set = [UInt8(ascii: " "), UInt8(ascii: "\t"), UInt8(ascii: "\r")]
        for line in bytes.split(separator: UInt8(ascii: "\n")).reversed() {
            let words = line.split(omittingEmptySubsequences: true) { spaces.contains($0) }
            guard let first = words.first, first.first != UInt8(ascii: "#") else { continue }
            let isEnd = line.starts(with: Self.endMark.utf8) && first.count == Self.endMark.utf8.count
            return isEnd && (words.count == 1 || words[1].first == UInt8(ascii: "#"))
        }
        return false
    }

    /// The line of what stands at `path`, or of the nearest thing around it.
    func line(of path: [String]) -> Int? {
        var node = root
        var line = node.mark?.line
        for part in path {
            if let sequence = node.sequence, let index = Int(part), sequence.indices.contains(index) {
                node = sequence[index]
                line = node.mark?.line ?? line
            } else if let pair = node.mapping?.first(where: { $0.key.scalar?.string == part }) {
                node = pair.value
                line = pair.key.mark?.line ?? line
            } else {
                break
            }
        }
        return line
    }

    private static func value(
        _ node: Node, _ path: [String], _ values: inout Int
    ) throws(DeclarationFailure) -> JSONValue {
        values += 1
        guard values <= mostValues, path.count <= deepest else {
            throw .refused([
                DeclarationProblem(
                    Array(path.prefix(3)), line: node.mark?.line, "The file has too many values or levels")
            ])
        }
        switch node {
        case .scalar(let scalar): return Self.value(scalar)
        case .sequence(let sequence):
            var elements: [JSONValue] = []
            for (index, element) in sequence.enumerated() {
                elements.append(try value(element, path + [String(index)], &values))
            }
            return .array(elements)
        case .mapping(let mapping):
            var members: [JSONValue.Member] = []
            var inherited: [JSONValue.Member] = []
            var names: Set<String> = []
            for (key, element) in mapping {
                guard let name = key.scalar else {
                    throw .refused([DeclarationProblem(path, line: key.mark?.line, "A key has to be a word")])
                }
                let content = try value(element, path + [name.string], &values)
                if name.string == "<<", name.style == .plain {
                    inherited += try merged(content, path, key.mark?.line)
                } else {
                    // The parser tells `true` and "true" apart; as names they are one.
                    guard names.insert(name.string).inserted else {
                        throw .refused([Self.repetition(of: name.string, path, key.mark?.line)])
                    }
                    members.append(JSONValue.Member(name.string, content))
                }
            }
            // What stands in the map itself goes before what it inherits, and the first inheritance before the next.
            for member in inherited where names.insert(member.name).inserted { members.append(member) }
            return .object(members)
        case .alias(let alias):
            throw .refused([DeclarationProblem(path, line: alias.mark?.line, "An alias leads nowhere")])
        }
    }

    private static func merged(
        _ value: JSONValue, _ path: [String], _ line: Int?
    ) throws(DeclarationFailure) -> [JSONValue.Member] {
        if let members = value.members { return members }
        var all: [JSONValue.Member] = []
        for element in value.elements ?? [value] {
            guard let members = element.members else {
                throw .refused([DeclarationProblem(path + ["<<"], line: line, "Expected an object to merge")])
            }
            all += members
        }
        return all
    }

    private static func value(_ scalar: Node.Scalar) -> JSONValue {
        let text = scalar.string
        guard scalar.style == .plain, scalar.tag.description != Tag.Name.str.rawValue else { return .string(text) }
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE": return .bool(true)
        case "false", "False", "FALSE": return .bool(false)
        default:
            guard let first = text.utf8.first, first == UInt8(ascii: "-") || (0x30...0x39).contains(first),
                case .number(let literal)? = try? JSONValue(parsing: text), literal == text
            else { return .string(text) }
            return .number(text)
        }
    }

    private static func repetition(of name: String, _ path: [String], _ line: Int?) -> DeclarationProblem {
        DeclarationProblem(
            path, line: line, "The same key stands twice: \(DeclarationText.shown(String(name.prefix(128))))")
    }

    /// What the YAML parser found, without the text around it.
    private static func problem(_ error: any Error) -> DeclarationProblem {
        switch error as? YamlError {
        case .duplicatedKeysInMapping(let names, let context):
            return repetition(of: names.joined(separator: ", "), [], context.mark.line)
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return DeclarationProblem([], line: mark.line, "Not readable as YAML: \(problem)")
        case .reader(let problem, _, _, _):
            return DeclarationProblem([], "Not readable as YAML: \(problem)")
        default: return DeclarationProblem([], "Not readable as YAML")
        }
    }
}
