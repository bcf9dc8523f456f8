import Foundation
import GatewayCore
import Settings
import Testing

@Suite("Settings of secrets, and the master key's file around a rotation")
struct MasterKeyRingTests {
    private func key(_ byte: UInt8) -> Secret<[UInt8]> { Secret(Array(repeating: byte, count: 32)) }
    private func text(_ byte: UInt8) -> String { Data(repeating: byte, count: 32).base64EncodedString() }

    private func settings(_ directory: TemporaryDirectory) throws -> DaemonSettings {
        try load(assignments: ["state_directory=\(directory.path)"])
    }

    @Test("the file is written for its owner only and read back, the key in use first")
    func roundTrip() throws {
        let directory = try TemporaryDirectory()
        let settings = try settings(directory)
        let ring = MasterKeyRing(current: key(1), next: key(2), former: [key(3), key(4)])
        try MasterKeyFile.store(ring, settings)
        #expect(try directory.mode(of: "master.key") == 0o600)
        let read = try MasterKeyFile.load(settings)
        #expect(read.bytes.reveal() == ring.bytes.reveal())
        #expect(read.bytes.reveal().prefix(33) == [UInt8](repeating: 1, count: 32)[...] + [2])
        #expect(read.next?.reveal() == key(2).reveal())
        #expect(read.former.map { $0.reveal().first } == [3, 4])
        #expect(read.count == 4)
    }

    @Test(
        "where secrets may point to, and how a Vault is reached, is checked",
        arguments: [
            ("secrets: {references: ['env:*x']}", "secrets.references"),
            ("secrets: {references: ['env:']}", "secrets.references"),
            ("secrets: {references: ['file:relative/*']}", "secrets.references"),
            ("secrets: {references: ['*']}", "secrets.references"),
            ("secrets: {references: ['https://x']}", "secrets.references"),
            ("secrets: {refresh_interval: 10ms}", "secrets.refresh_interval"),
            ("secrets: {vault: {address: 'http://v'}}", "secrets.vault.token_file"),
            ("secrets: {vault: {token_file: /t}}", "secrets.vault.address"),
        ]
    )
    func references(yaml: String, named: String) throws {
        #expect(try refusal(yaml: yaml + "\n").contains(named), "\(yaml)")
    }

    @Test("anything but one key in use, one next and former ones is refused")
    func malformed() throws {
        let directory = try TemporaryDirectory()
        for lines in [
            ["former:" + text(1)], [text(1), text(2)], [text(1), "next:" + text(2), "next:" + text(3)],
            [text(1), "former:x"], (0..<5).map { ($0 == 0 ? "" : "former:") + text(UInt8($0)) },
        ] {
            _ = try directory.write(lines.joined(separator: "\n"), to: "master.key", mode: 0o600)
            #expect(throws: SettingsError.self, "\(lines.count)") { try MasterKeyFile.load(settings(directory)) }
        }
    }
}
