import GatewayCore
import SecretVault
import TestKit
import Testing

@Suite("LoopSecretOpener")
struct LoopSecretOpenerTests {
    private static let account: AccountID = "0123456789abcdef0123456789abcdef"

    private func sealed(_ vault: Vault, _ id: SecretID, _ value: String) throws -> SealedSecret {
        SealedSecret(
            id: id, account: Self.account, name: "n",
            envelope: try vault.seal(Secret(Array(value.utf8)), account: Self.account, secretID: id)
        )
    }

    @Test("a changed secret is opened anew, an unreadable one is nil, and the memory is bounded")
    func opens() async throws {
        try await TestLoop.run { try check() }
    }

    @WorkerLoop
    private func check() throws {
        let vault = Vault(masterKey: try MasterKey(MasterKey.generate()))
        let opener = LoopSecretOpener(vault: vault, capacity: 2)
        var secret = try sealed(vault, "a", "first")
        #expect(opener.open(secret)?.reveal() == Array("first".utf8))
        #expect(opener.open(secret)?.reveal() == Array("first".utf8))
        secret = try sealed(vault, "a", "second")
        #expect(opener.open(secret)?.reveal() == Array("second".utf8))
        secret.account = "ffffffffffffffffffffffffffffffff"
        #expect(opener.open(secret) == nil)
        for id in ["b", "c", "d"] {
            #expect(opener.open(try sealed(vault, SecretID(id), id))?.reveal() == Array(id.utf8))
        }
        #expect(opener.count == 2)
    }
}
