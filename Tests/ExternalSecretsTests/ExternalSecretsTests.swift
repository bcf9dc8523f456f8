import ExternalSecrets
import Foundation
import GatewayCore
import NIOHTTP1
import Testing

@Suite("Values from elsewhere")
struct ExternalSecretsTests {
    /// A directory of one test.
    private final class Folder {
        let path = NSTemporaryDirectory() + "aig-external-" + UUID().uuidString
        init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
        deinit { try? FileManager.default.removeItem(atPath: path) }

        func write(_ bytes: [UInt8], _ name: String, mode: Int = 0o600) throws -> String {
            let file = path + "/" + name
            try Data(bytes).write(to: URL(fileURLWithPath: file))
            try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
            return file
        }
    }

    private func source(_ vault: VaultClient? = nil) -> ExternalSecrets {
        ExternalSecrets(
            rules: ReferenceRules(["env:GIVEN", "env:EMPTY", "env:MISSING", "file:/*", "vault:kv/*"]),
            environment: ["GIVEN": "value", "EMPTY": "", "HIDDEN": "x"], vault: vault
        )
    }

    private func text(_ reference: SecretReference, _ source: ExternalSecrets) async throws -> String {
        String(decoding: try await source.value(of: reference).reveal(), as: UTF8.self)
    }

    private func failure(_ reference: SecretReference, _ source: ExternalSecrets) async -> ExternalSecretError? {
        do throws(ExternalSecretError) {
            _ = try await source.value(of: reference)
            return nil
        } catch {
            return error
        }
    }

    @Test("a variable is read when it is allowed and set")
    func environment() async throws {
        #expect(try await text(.environment("GIVEN"), source()) == "value")
        for name in ["EMPTY", "MISSING", "HIDDEN"] {
            guard case .gone = await failure(.environment(name), source()) else {
                Issue.record("\(name) has a value")
                continue
            }
        }
    }

    @Test("a file is read without its line end, within 64 KiB, and not when everybody may read it")
    func files() async throws {
        let folder = try Folder()
        for (content, expected) in [("key\n", "key"), ("key\r\n", "key"), ("key", "key"), ("a\nb\n", "a\nb")] {
            let path = try folder.write(Array(content.utf8), "f")
            #expect(try await text(.file(path), source()) == expected)
        }
        let largest = try folder.write([UInt8](repeating: 0x61, count: 65_536) + [0x0a], "largest")
        #expect(try await text(.file(largest), source()).utf8.count == 65_536)
        let group = try folder.write(Array("g".utf8), "group", mode: 0o640)
        #expect(try await text(.file(group), source()) == "g")
        for path in [
            try folder.write([UInt8](repeating: 0x61, count: 65_537), "large"),
            try folder.write(Array("w".utf8), "world", mode: 0o604), try folder.write([], "empty"), folder.path,
        ] {
            guard case .unavailable = await failure(.file(path), source()) else {
                Issue.record("\(path) was read")
                continue
            }
        }
        #expect(await failure(.file(folder.path + "/none"), source()) == .gone("the file does not exist"))
    }

    @Test("a file of the daemon's own is refused under every name, and its neighbours are not")
    func ownFiles() async throws {
        let folder = try Folder()
        let state = folder.path + "/state"
        try FileManager.default.createDirectory(atPath: state + "/deep", withIntermediateDirectories: true)
        let key = try folder.write(Array("own".utf8), "master.key")
        let inside = try folder.write(Array("own".utf8), "state/deep/file")
        let other = try folder.write(Array("free".utf8), "state-of-others")
        let credentials = try folder.write(Array("own".utf8), "state/credentials.json")
        for (name, target) in [("link", key), ("deep-link", inside), ("away", state + "/deep")] {
            try FileManager.default.createSymbolicLink(
                atPath: folder.path + "/" + name, withDestinationPath: target)
        }
        for (name, target) in [("hard", key), ("hard-credentials", credentials)] {
            try FileManager.default.linkItem(atPath: target, toPath: folder.path + "/" + name)
        }
        // The operator names the directory by a link as well.
        try FileManager.default.createSymbolicLink(atPath: folder.path + "/named", withDestinationPath: state)
        for directory in [state, folder.path + "/named"] {
            let source = ExternalSecrets(
                rules: ReferenceRules(["file:/*"]), environment: [:], vault: nil,
                ownFiles: OwnFiles(
                    files: [key, folder.path + "/missing", directory + "/credentials.json"], directory: directory)
            )
            for path in [
                key, inside, folder.path + "/link", folder.path + "/deep-link", folder.path + "/away/file",
                folder.path + "/hard", folder.path + "/hard-credentials", folder.path + "/named/deep/file",
            ] {
                guard case .gone(let reason) = await failure(.file(path), source) else {
                    Issue.record("\(path) was read")
                    continue
                }
                #expect(!reason.contains("master") && !reason.contains(folder.path))
            }
            #expect(try await text(.file(other), source) == "free")
        }
        // A key that is replaced while the daemon runs is known by its new inode.
        let source = ExternalSecrets(
            rules: ReferenceRules(["file:/*"]), environment: [:], vault: nil, ownFiles: OwnFiles(files: [key]))
        let next = try folder.write(Array("next".utf8), "next")
        #expect(try await text(.file(next), source) == "next")
        #expect(rename(next, key) == 0)
        try FileManager.default.linkItem(atPath: key, toPath: next)
        guard case .gone = await failure(.file(next), source) else {
            Issue.record("the new key was read")
            return
        }
    }

    @Test("a field of a Vault secret is asked for with token and namespace, every time anew")
    func vault() async throws {
        let folder = try Folder()
        let token = try folder.write(Array("t-1\n".utf8), "token")
        let server = try await FakeVault.start()
        defer { server.stop() }
        server.answer(#"{"data":{"data":{"key":"from vault","number":7},"metadata":{}}}"#)
        let client = try VaultClient(
            address: "http://127.0.0.1:\(server.port)/prefix/", tokenFile: token, namespace: "team"
        )
        let source = source(client)
        #expect(try await text(.vault(mount: "kv", path: "a b/c", field: "key"), source) == "from vault")
        let request = try #require(server.requests.last)
        #expect(request.uri == "/prefix/v1/kv/data/a%20b/c")
        #expect(request.headers["x-vault-token"] == ["t-1"] && request.headers["x-vault-namespace"] == ["team"])
        _ = try folder.write(Array("t-2".utf8), "token")
        _ = try await source.value(of: .vault(mount: "kv", path: "a", field: "key"))
        #expect(server.requests.last?.headers["x-vault-token"] == ["t-2"])
    }

    @Test("what a Vault says is told apart: gone for good, or not to be had now")
    func vaultFailures() async throws {
        let folder = try Folder()
        let token = try folder.write(Array("t".utf8), "token")
        let server = try await FakeVault.start()
        defer { server.stop() }
        let address = "http://127.0.0.1:\(server.port)"
        let client = try VaultClient(address: address, tokenFile: token, timeout: .seconds(60))
        let reference = SecretReference.vault(mount: "kv", path: "a", field: "key")
        for (status, body) in [
            (404, #"{"errors":[]}"#), (200, #"{"data":{"data":{"other":"x"}}}"#),
            (200, #"{"data":{"data":null,"metadata":{"deletion_time":"2026-01-01T00:00:00Z"}}}"#),
        ] {
            server.answer(body, status: status)
            guard case .gone = await failure(reference, source(client)) else {
                Issue.record("\(status) \(body) does not count as gone")
                continue
            }
        }
        for (status, body) in [
            (403, "{}"), (500, "{}"), (503, ""), (307, ""), (200, "nonsense"), (200, #"{"data":{"data":{"key":7}}}"#),
            (200, #"{"data":{"data":{"key":""}}}"#), (200, String(repeating: "x", count: 300_000)),
        ] {
            server.answer(body, status: status)
            guard case .unavailable = await failure(reference, source(client)) else {
                Issue.record("\(status) \(body.prefix(40)) does not count as unavailable")
                continue
            }
        }
        server.fallSilent()
        let hasty = try VaultClient(address: address, tokenFile: token, timeout: .milliseconds(300))
        #expect(await failure(reference, source(hasty)) == .unavailable("the server does not answer in time"))
        let nobody = try VaultClient(address: "http://127.0.0.1:1", tokenFile: token, timeout: .seconds(2))
        guard case .unavailable = await failure(reference, source(nobody)) else {
            Issue.record("an address without a server gives a value")
            return
        }
        let tokenless = try VaultClient(address: address, tokenFile: folder.path + "/none")
        guard case .unavailable(let reason) = await failure(reference, source(tokenless)) else {
            Issue.record("no token is needed")
            return
        }
        #expect(reason.hasPrefix("the token file"))
        #expect(await failure(reference, source(nil)) == .unavailable("secrets.vault.address is not set"))
    }
}
