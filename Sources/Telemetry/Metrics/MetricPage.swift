/// Collects lines by family, since the format wants each family in one piece.
struct MetricPage {
    private var order: [String] = []
    private var families: [String: String] = [:]

    mutating func add(
        _ name: String, _ kind: String, _ help: String, _ labels: [(name: String, value: String)], _ value: String,
        suffix: String = ""
    ) {
        var line = name + suffix
        if !labels.isEmpty {
            line += "{" + labels.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",") + "}"
        }
        line += " \(value)\n"
        if families[name] == nil {
            order.append(name)
            families[name] = "# HELP \(name) \(help)\n# TYPE \(name) \(kind)\n"
        }
        families[name]?.append(line)
    }

    var text: String { order.map { families[$0] ?? "" }.joined() }

    private static func escaped(_ value: String) -> String {
        var text = ""
        for character in value {
            switch character {
            case "\\": text += "\\\\"
            case "\"": text += "\\\""
            case "\n": text += "\\n"
            default: text.append(character)
            }
        }
        return text
    }
}
