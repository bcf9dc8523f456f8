import GatewayCore
import Yams

/// Reads the configuration file: nested maps whose joined keys are the dotted keys of the table.
struct YAMLSource {
    /// Path as the operator wrote it, for messages.
    let path: String
    let providers: [ProviderID]

    /// The file's settings; an empty file has none.
    func layer(_ text: String) throws(SettingsError) -> SettingLayer {
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw SettingsError("\(path) is not readable as YAML: \(Self.oneLine(String(describing: error)))")
        }
        var layer = SettingLayer()
        guard let root, !isNull(root) else { return layer }
        guard root.mapping != nil else { throw SettingsError("\(path): the file has to be a map of settings") }
        try collect(root, prefix: "", into: &layer)
        return layer
    }

    private func collect(_ node: Node, prefix: String, into layer: inout SettingLayer) throws(SettingsError) {
        guard let mapping = node.mapping else { return }
        for (keyNode, value) in mapping {
            let origin = self.origin(keyNode)
            guard let name = keyNode.scalar?.string, !name.isEmpty else {
                throw SettingsError("a key below \(prefix.isEmpty ? "the top" : prefix) is not a name (\(origin))")
            }
            let full = prefix.isEmpty ? name : prefix + "." + name
            if let key = SettingTable.key(named: full, providers: providers) {
                if isNull(value) { continue }
                try layer.add(key, texts(value, of: key, origin: origin), origin: origin)
            } else if SettingTable.isGroup(full, providers: providers) {
                if isNull(value) { continue }
                guard value.mapping != nil else {
                    throw SettingsError("\(full) is a group of settings, not a setting (\(origin))")
                }
                try collect(value, prefix: full, into: &layer)
            } else {
                throw SettingLayer.unknown(full, nearest: candidates(for: full), origin: origin)
            }
        }
    }

    /// Keys and groups on the level of a misspelt name come first to mind, so that `dta:` finds `data`.
    private func candidates(for name: String) -> [String] {
        let all = (SettingTable.keys + SettingTable.providerSettings(providers)).map(\.name)
        let depth = name.split(separator: ".").count
        let sameDepth = all.map { $0.split(separator: ".").prefix(depth).joined(separator: ".") }
        return Array(Set(all + sameDepth))
    }

    private func texts(_ node: Node, of key: SettingKey, origin: String) throws(SettingsError) -> [String] {
        if let scalar = node.scalar { return SettingLayer.elements(scalar.string, of: key) }
        guard key.kind.isList, let sequence = node.sequence else {
            throw SettingsError("\(key.name) has a wrong shape; expected \(key.kind.accepted) (\(origin))")
        }
        var texts: [String] = []
        for element in sequence {
            guard let scalar = element.scalar else {
                throw SettingsError("\(key.name) has a wrong shape; expected \(key.kind.accepted) (\(origin))")
            }
            texts.append(scalar.string)
        }
        return texts
    }

    private func isNull(_ node: Node) -> Bool {
        guard let scalar = node.scalar, scalar.style == .plain else { return false }
        return ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    private func origin(_ node: Node) -> String {
        node.mark.map { "\(path) line \($0.line)" } ?? path
    }

    private static func oneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " } }.joined(separator: " · ")
    }
}
