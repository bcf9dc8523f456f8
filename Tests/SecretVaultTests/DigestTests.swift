import GatewayCore
import SecretVault
import Testing

@Suite("Digest")
struct DigestTests {
    @Test(
        "SHA-256 gives the results of FIPS 180-4",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func sha256(text: String, expected: String) {
        #expect(Hexadecimal.text(of: Digest.sha256(text)) == expected)
        let bytes = Array(text.utf8)
        #expect(bytes.withUnsafeBytes { SHA256TokenHasher().hash($0) } == Digest.sha256(text))
    }

    @Test("HMAC-SHA-256 gives the results of RFC 4231")
    func hmac() throws {
        let first = try Digest.hmacSHA256(key: [UInt8](repeating: 0x0b, count: 20), message: Array("Hi There".utf8))
        #expect(
            Hexadecimal.text(of: first) == "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        )
        let second = try Digest.hmacSHA256(
            key: Array("Jefe".utf8), message: Array("what do ya want for nothing?".utf8)
        )
        #expect(
            Hexadecimal.text(of: second) == "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        )
        let third = try Digest.hmacSHA256(
            key: [UInt8](repeating: 0xaa, count: 131),
            message: Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8)
        )
        #expect(
            Hexadecimal.text(of: third) == "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        )
        #expect(try Digest.hmacSHA256(key: [], message: []).count == 32)
    }

    @Test("the comparison tells equal from different, whatever the lengths")
    func comparison() {
        #expect(Digest.areEqual([1, 2, 3], [1, 2, 3]))
        #expect(!Digest.areEqual([1, 2, 3], [1, 2, 4]))
        #expect(!Digest.areEqual([1, 2, 3], [1, 2]))
        #expect(Digest.areEqual([], []))
    }

    @Test("random bytes have the asked length and do not repeat")
    func random() throws {
        #expect(try RandomBytes.make(count: 0).isEmpty)
        let values = try (0..<64).map { _ in try RandomBytes.hexadecimal(bytes: 16) }
        #expect(Set(values).count == 64)
        #expect(values.allSatisfy { AccountID.isWellFormed($0.utf8) })
        #expect(throws: VaultError.noRandomness) { try RandomBytes.make(count: -1) }
    }
}
