import Settings
import TestKit
import Testing

@Suite("The page of settings")
struct SettingsPageTests {
    private func compare(_ rows: [[String]], with keys: [SettingKey]) {
        #expect(Set(rows.map { $0[0].withoutCodeMarks }) == Set(keys.map(\.name)))
        #expect(rows.count == keys.count, "a setting has more than one row")
        for key in keys {
            guard let row = rows.first(where: { $0[0].withoutCodeMarks == key.name }), row.count == 4 else { continue }
            #expect(row[1] == key.kind.accepted, "\(key.name)")
            let standard = key.standard.map { $0.isEmpty ? "`[]`" : "`\($0)`" } ?? "none"
            #expect(row[2] == standard, "\(key.name)")
            #expect(row[3].count > 10, "\(key.name) is not explained")
        }
    }

    @Test("has one row for every setting, with what it accepts and its default, and none for anything else")
    func settings() throws {
        compare(try DocumentationPage("settings.md").rows(under: "key"), with: SettingTable.keys)
    }

    @Test("has one row for everything that can be set for a provider")
    func providers() throws {
        compare(try DocumentationPage("settings.md").rows(under: "provider key"), with: SettingTable.providerKeys)
    }
}
