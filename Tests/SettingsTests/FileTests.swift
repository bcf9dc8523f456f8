import Foundation
import GatewayCore
import Settings
import Testing

@Suite("Files in the state directory")
struct FileTests {
    private func settings(
        in directory: TemporaryDirectory, _ assignments: String..., environment: [String: String] = [:]
    )
        throws -> DaemonSettings
    {
        try load(environment: environment, assignments: ["state_directory=\(directory.path)"] + assignments)
    }

    @Test("a master key is generated once, for its owner only, and read again afterwards")
    func masterKey() throws {
        let directory = try TemporaryDirectory()
        let settings = try settings(in: directory)
        let first = try MasterKeyFile.load(settings).bytes.reveal()
        #expect(first.count == 32)
        #expect(try directory.mode(of: "master.key") == 0o600)
        #expect(try MasterKeyFile.load(settings).bytes.reveal() == first)
    }

    @Test("a master key file that others can read, or that holds something else, is refused")
    func badMasterKeys() throws {
        let directory = try TemporaryDirectory()
        let key = Data(repeating: 7, count: 32).base64EncodedString()
        let good = try directory.write(key + "\n", to: "good")
        #expect(
            try MasterKeyFile.load(settings(in: directory, "secrets.master_key_file=\(good)")).bytes.reveal()
                == Array(repeating: 7, count: 32))
        for (name, text, mode, reason) in [
            ("group", key, 0o640, "can be read by others (mode 0640)"),
            ("world", key, 0o604, "can be read by others (mode 0604)"),
            ("short", Data(repeating: 7, count: 31).base64EncodedString(), 0o600, "does not hold a master key"),
            ("text", "swordfish", 0o600, "does not hold a master key"),
            ("empty", "", 0o600, "does not hold a master key"),
        ] {
            let path = try directory.write(text, to: name, mode: mode)
            let settings = try settings(in: directory, "secrets.master_key_file=\(path)")
            let error = #expect(throws: SettingsError.self) { try MasterKeyFile.load(settings) }
            #expect(error?.message.contains(reason) == true, "\(name): \(error?.message ?? "")")
            #expect(error?.message.contains(path) == true)
        }
        let missing = try settings(in: directory, "secrets.master_key_file=\(directory.path)/none")
        #expect(throws: SettingsError("secrets.master_key_file: \(directory.path)/none does not exist")) {
            try MasterKeyFile.load(missing)
        }
    }

    @Test("generated credentials are the same after a restart")
    func credentials() throws {
        let directory = try TemporaryDirectory()
        let settings = try settings(in: directory)
        var made = try NodeCredentials.prepare(settings)
        #expect(made.freshness == .generatedNow)
        #expect(AccountID.isWellFormed(made.account.rawValue.utf8))
        #expect(made.token.reveal().count == 44)
        made.postgresURL = Secret("postgres:///aigatewayd?host=\(directory.path)")
        made.redisURL = Secret("unix:\(directory.path)/redis.sock")
        try CredentialsFile(stateDirectory: directory.path).write(made)
        #expect(try directory.mode(of: "credentials.json") == 0o600)
        let again = try NodeCredentials.prepare(settings)
        #expect(again.freshness == .known)
        #expect(again.account == made.account)
        #expect(again.token.reveal() == made.token.reveal())
        let data = try Data(contentsOf: URL(fileURLWithPath: directory.path + "/credentials.json"))
        let members = try #require(JSONSerialization.jsonObject(with: data) as? [String: String])
        #expect(
            members == [
                "account_id": made.account.rawValue, "api_token": made.token.reveal(),
                "data_url": "http://127.0.0.1:8787", "control_url": "http://127.0.0.1:8788",
                "postgres_url": "postgres:///aigatewayd?host=\(directory.path)",
                "redis_url": "unix:\(directory.path)/redis.sock",
            ])
    }

    @Test("configured credentials win, and a generated token never follows to another account")
    func configuredCredentials() throws {
        let directory = try TemporaryDirectory()
        let generated = try NodeCredentials.prepare(settings(in: directory))
        try CredentialsFile(stateDirectory: directory.path).write(generated)
        let account = String(repeating: "a", count: 32)
        let other = try NodeCredentials.prepare(settings(in: directory, "bootstrap.account_id=\(account)"))
        #expect(other.account.rawValue == account)
        #expect(other.freshness == .generatedNow)
        #expect(other.token.reveal() != generated.token.reveal())
        let configured = try NodeCredentials.prepare(
            settings(in: directory, environment: ["AIGATEWAYD_BOOTSTRAP_API_TOKEN": "sixteen-or-more!"])
        )
        #expect(configured.token.reveal() == "sixteen-or-more!")
        #expect(configured.account == generated.account)
        #expect(configured.freshness == .known)
    }

    @Test("a damaged credentials file stops the start instead of being replaced")
    func damagedCredentials() throws {
        let directory = try TemporaryDirectory()
        try directory.write("{\"account_id\":", to: "credentials.json")
        #expect(throws: SettingsError("\(directory.path)/credentials.json is damaged; repair or remove it")) {
            try NodeCredentials.prepare(settings(in: directory))
        }
    }

    @Test("a missing state directory is made for its owner only")
    func stateDirectory() throws {
        let directory = try TemporaryDirectory()
        try StateDirectory.prepare(directory.path + "/a/state")
        #expect(try directory.mode(of: "a/state") == 0o700)
        try directory.write("", to: "file")
        #expect(throws: SettingsError.self) { try StateDirectory.prepare(directory.path + "/file") }
    }
}
