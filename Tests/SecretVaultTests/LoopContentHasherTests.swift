import GatewayCore
import SecretVault
import TestKit
import Testing

@Suite("LoopContentHasher")
struct LoopContentHasherTests {
    @WorkerLoop
    private func feed(_ hasher: any ContentHasher, _ pieces: [[UInt8]]) -> [UInt8] {
        hasher.begin()
        for piece in pieces { piece.withUnsafeBytes { hasher.update($0) } }
        return hasher.finish().bytes
    }

    @Test("hashes contents in whatever pieces they come, one after the other")
    func pieces() async throws {
        try await TestLoop.run {
            let hasher = try LoopContentHasher()
            let content = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let expected = Digest.sha256(content)
            #expect(feed(hasher, [content]) == expected)
            #expect(
                feed(hasher, [Array(content[..<1]), [], Array(content[1..<70_001]), Array(content[70_001...])])
                    == expected)
            #expect(feed(hasher, []) == Digest.sha256([UInt8]()))
        }
    }

    @Test("what was fed before the beginning does not count")
    func abandoned() async throws {
        try await TestLoop.run {
            let hasher = try LoopContentHasher()
            [1, 2, 3].withUnsafeBytes { hasher.update($0) }
            #expect(feed(hasher, [Array("abc".utf8)]) == Digest.sha256("abc"))
        }
    }
}
