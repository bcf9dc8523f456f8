import Configuration
import GatewayCore

/// The settings of one source (file, environment, command line), each checked against the table.
struct SettingLayer {
    /// One or, for lists, any number of texts.
    private(set) var values: [String: [String]] = [:]

    /// Adds a value after checking it.
    /// - Parameter origin: where it stands, for the error message: `aigatewayd.yaml line 3`.
    mutating func add(_ key: SettingKey, _ texts: [String], origin: String) throws(SettingsError) {
        if values[key.name] != nil { throw SettingsError("\(key.name) is set twice (\(origin))") }
        for text in texts where !key.kind.accepts(text) {
            let shown = key.kind.mayHoldSecret ? "the value" : "\"\(text)\""
            throw SettingsError("\(key.name): \(shown) is not accepted; expected \(key.kind.accepted) (\(origin))")
        }
        values[key.name] = texts
    }

    /// Splits the text of a list: commas separate, spaces around elements are dropped.
    static func elements(_ text: String, of key: SettingKey) -> [String] {
        guard key.kind.isList else { return [text] }
        return text.split(separator: ",").compactMap { part in
            let element = part.drop { $0 == " " }
            let end = element.lastIndex { $0 != " " }.map(element.index(after:)) ?? element.startIndex
            return element[..<end].isEmpty ? nil : String(element[..<end])
        }
    }

    /// The error for a key that does not exist.
    static func unknown(_ name: String, nearest candidates: [String], origin: String) -> SettingsError {
        let hint = NearestKey.nearest(to: name, among: candidates).map { "; did you mean \($0)?" } ?? ""
        return SettingsError("\(name) is not a setting\(hint) (\(origin))")
    }

    /// The layer as a provider of swift-configuration.
    func provider(named name: String, table: [SettingKey]) -> InMemoryProvider {
        var entries: [AbsoluteConfigKey: ConfigValue] = [:]
        for key in table {
            guard let texts = values[key.name] else { continue }
            let content: ConfigContent = key.kind.isList ? .stringArray(texts) : .string(texts.first ?? "")
            entries[AbsoluteConfigKey(key.components)] = ConfigValue(content, isSecret: key.kind.mayHoldSecret)
        }
        return InMemoryProvider(name: name, values: entries)
    }
}

extension SettingKey {
    /// The parts of the dotted key.
    var components: [String] { name.split(separator: ".").map(String.init) }
}
