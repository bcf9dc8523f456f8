/// One setting: its dotted key, what a value looks like, its default and its meaning.
package struct SettingKey: Sendable {
    /// Dotted path, `data.listen`.
    package var name: String
    package var kind: SettingKind
    /// Text of the default; nil when an absent value means something of its own (`summary` says what).
    package var standard: String?
    /// One line for `--help` and the manual.
    package var summary: String

    package init(_ name: String, _ kind: SettingKind, _ standard: String?, _ summary: String) {
        self.name = name
        self.kind = kind
        self.standard = standard
        self.summary = summary
    }

    /// The environment variable that sets this key.
    package var environmentName: String {
        SettingTable.environmentPrefix + name.uppercased().map { $0 == "." || $0 == "-" ? "_" : String($0) }.joined()
    }
}
