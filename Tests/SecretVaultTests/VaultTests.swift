import GatewayCore
@testable import SecretVault
import Testing

@Suite("Vault")
struct VaultTests {
    private static let account: AccountID = "0123456789abcdef0123456789abcdef"
    private static let other: AccountID = "fedcba9876543210fedcba9876543210"
    private static let secret: SecretID = "00112233445566778899aabbccddeeff"

    private func vault(_ byte: UInt8 = 7) throws -> Vault {
        Vault(masterKey: try MasterKey(Secret([UInt8](repeating: byte, count: 32))))
    }

    @Test("AES-256-GCM gives the results of NIST's test cases 13, 14 and 16")
    func nistVectors() throws {
        func bytes(_ text: String) -> [UInt8] {
            let digits = Array(text.utf8)
            return stride(from: 0, to: digits.count, by: 2).map {
                UInt8(String(decoding: digits[$0..<$0 + 2], as: UTF8.self), radix: 16)!
            }
        }
        let cases = [
            (
                key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12), text: "", aad: "",
                sealed: "530f8afbc74536b9a963b4f1c4cb738b"
            ),
            (
                key: String(repeating: "00", count: 32), nonce: String(repeating: "00", count: 12),
                text: String(repeating: "00", count: 16), aad: "",
                sealed: "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"
            ),
            (
                key: "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
                nonce: "cafebabefacedbaddecaf888",
                text: "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                    + "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
                aad: "feedfacedeadbeeffeedfacedeadbeefabaddad2",
                sealed: "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                    + "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                    + "76fc6ece0f4e1768cddf8853bb2d551b"
            ),
        ]
        for one in cases {
            try bytes(one.key).withUnsafeBytes { key in
                let sealed = try AuthenticatedCipher.seal(
                    bytes(one.text), key: key, nonce: bytes(one.nonce), authenticating: bytes(one.aad)
                )
                #expect(sealed == bytes(one.sealed))
                let opened = try AuthenticatedCipher.open(
                    sealed, key: key, nonce: bytes(one.nonce), authenticating: bytes(one.aad)
                )
                #expect(opened == bytes(one.text))
            }
        }
    }

    @Test("what was sealed opens to the same bytes", arguments: [0, 1, 15, 16, 17, 4096, 65_536])
    func roundTrip(length: Int) throws {
        let plaintext = (0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let envelope = try vault().seal(Secret(plaintext), account: Self.account, secretID: Self.secret)
        let opened = try vault().open(envelope, account: Self.account, secretID: Self.secret)
        #expect(opened.reveal() == plaintext)
    }

    @Test("the same value never gives the same envelope twice, and the value is not in it")
    func envelopesDiffer() throws {
        let value = Array("sk-canary-0123456789".utf8)
        let first = try vault().seal(Secret(value), account: Self.account, secretID: Self.secret)
        let second = try vault().seal(Secret(value), account: Self.account, secretID: Self.secret)
        #expect(first != second)
        #expect(!String(decoding: first, as: UTF8.self).contains("sk-canary"))
    }

    @Test("a change of any byte is noticed")
    func tampering() throws {
        let envelope = try vault().seal(Secret(Array("value".utf8)), account: Self.account, secretID: Self.secret)
        for index in envelope.indices {
            var changed = envelope
            changed[index] ^= 0x01
            #expect(throws: VaultError.self) {
                try vault().open(changed, account: Self.account, secretID: Self.secret)
            }
        }
        for length in envelope.indices {
            #expect(throws: VaultError.self) {
                try vault().open(Array(envelope.prefix(length)), account: Self.account, secretID: Self.secret)
            }
        }
    }

    @Test("an envelope of another account or secret does not open")
    func movedEnvelope() throws {
        let envelope = try vault().seal(Secret(Array("value".utf8)), account: Self.account, secretID: Self.secret)
        #expect(throws: VaultError.notAuthentic) {
            try vault().open(envelope, account: Self.other, secretID: Self.secret)
        }
        #expect(throws: VaultError.notAuthentic) {
            try vault().open(envelope, account: Self.account, secretID: "ffeeddccbbaa99887766554433221100")
        }
    }

    @Test("an envelope sealed under another master key is told apart from a damaged one")
    func otherMasterKey() throws {
        let envelope = try vault().seal(Secret(Array("value".utf8)), account: Self.account, secretID: Self.secret)
        #expect(throws: VaultError.otherMasterKey) {
            try vault(8).open(envelope, account: Self.account, secretID: Self.secret)
        }
    }

    @Test("a master key that is not 32 bytes long is refused", arguments: [0, 16, 31, 33])
    func masterKeyLength(length: Int) {
        #expect(throws: VaultError.masterKeyLength(length)) {
            try MasterKey(Secret([UInt8](repeating: 1, count: length)))
        }
    }
}
