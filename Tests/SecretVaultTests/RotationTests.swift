import GatewayCore
import SecretVault
import Testing

@Suite("A change of the master key")
struct RotationTests {
    private static let account: AccountID = "0123456789abcdef0123456789abcdef"

    private func key(_ bytes: UInt8...) throws -> MasterKey {
        try MasterKey(Secret(bytes.flatMap { [UInt8](repeating: $0, count: 32) }))
    }

    @Test("what one key sealed is opened by a ring that has it, whatever its place")
    func ring() throws {
        let sealed = try Vault(masterKey: key(1)).seal(Secret([1, 2, 3]), account: Self.account, secretID: "s")
        for ring in [try key(1, 2), try key(2, 1), try key(2, 3, 1)] {
            let value = try Vault(masterKey: ring).open(sealed, account: Self.account, secretID: "s")
            #expect(value.reveal() == [1, 2, 3])
        }
        #expect(throws: VaultError.otherMasterKey) {
            try Vault(masterKey: key(2, 3)).open(sealed, account: Self.account, secretID: "s")
        }
    }

    @Test("a ring seals with its first key only")
    func first() throws {
        let sealed = try Vault(masterKey: key(2, 1)).seal(Secret([9]), account: Self.account, secretID: "s")
        #expect(try Vault(masterKey: key(2)).open(sealed, account: Self.account, secretID: "s").reveal() == [9])
        #expect(throws: VaultError.otherMasterKey) {
            try Vault(masterKey: key(1)).open(sealed, account: Self.account, secretID: "s")
        }
    }

    @Test("wrapping anew changes the key and keeps the value's ciphertext, and is done once")
    func rewrap() throws {
        let old = try Vault(masterKey: key(1)).seal(
            Secret(Array("the value".utf8)), account: Self.account, secretID: "s"
        )
        let ring = Vault(masterKey: try key(2, 1))
        let new = try #require(try ring.rewrap(old, account: Self.account, secretID: "s"))
        #expect(new.count == old.count)
        #expect(new.suffix(9 + 16 + 12) == old.suffix(9 + 16 + 12))
        #expect(try ring.rewrap(new, account: Self.account, secretID: "s") == nil)
        let value = try Vault(masterKey: key(2)).open(new, account: Self.account, secretID: "s")
        #expect(value.reveal() == Array("the value".utf8))
        #expect(throws: VaultError.notAuthentic) { try ring.rewrap(old, account: Self.account, secretID: "t") }
        #expect(throws: VaultError.otherMasterKey) {
            try Vault(masterKey: key(3)).rewrap(old, account: Self.account, secretID: "s")
        }
    }

    @Test("at most four keys stand together")
    func bound() throws {
        _ = try key(1, 2, 3, 4)
        #expect(throws: VaultError.masterKeyLength(160)) { try key(1, 2, 3, 4, 5) }
    }
}
