import Foundation
import GatewayCore
import NIOCore
import Providers
import TestKit
import Testing
import WireFormats

/// One provider's folder below `Fixtures`.
///
/// | file | what it holds |
/// | --- | --- |
/// | `routes.txt` | paths of clients; behind each, what it becomes and where a stored key goes |
/// | `chat.json`, `upstream.json` | a chat on the OpenAI-compatible endpoint; path and body that the provider gets |
/// | `call.txt` | for providers without chats: a native path, and below it the body |
/// | `reply.json`, `reply.head` | a whole answer; header fields of an answer that matter, one per line |
/// | `reply.sse`, `reply.events` | a streamed answer; of Amazon's binary events, the type and payload of one per line |
/// | `error.txt` | status and body of a provider's error |
/// | `client.json`, `client.sse` | what a client of the OpenAI-compatible endpoint gets of those |
/// | `client-error.txt` | the same of an error whose form is not OpenAI's: the others are relayed |
/// | `responses.json`, `responses.sse` | the same answers, as those of the Responses API |
/// | `usage.txt` | what is counted in each answer |
///
/// `UPDATE_FIXTURES=1` writes the files that follow from others; the difference is to be read before it is committed.
struct ProviderFixtures {
    static let isUpdating = ProcessInfo.processInfo.environment["UPDATE_FIXTURES"] == "1"
    private static let all = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")

    let slug: String
    let provider: ProviderDefinition

    init(_ slug: String) throws {
        self.slug = slug
        provider = try #require(ProviderRegistry.builtIn.provider(segment: slug))
    }

    private func url(_ file: String) -> URL { Self.all.appending(path: slug).appending(path: file) }

    func has(_ file: String) -> Bool { FileManager.default.fileExists(atPath: url(file).path) }

    func text(_ file: String) throws -> String { try String(contentsOf: url(file), encoding: .utf8) }

    /// Compares with a file, or writes it.
    func expect(_ value: String, _ file: String) throws {
        if Self.isUpdating { return try value.write(to: url(file), atomically: true, encoding: .utf8) }
        #expect(value == (try text(file)), "\(slug)/\(file)")
    }

    /// The first line of a file, and what stands below it.
    func parts(_ file: String) throws -> (first: String, rest: String) {
        let parts = try text(file).split(separator: "\n", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0]), parts.count > 1 ? String(parts[1]) : "")
    }

    /// The streamed answer as it comes over the wire; nil where the provider has none.
    func stream() throws -> (bytes: [UInt8], kind: StreamKind)? {
        if has("reply.sse") { return (Array(try text("reply.sse").utf8), .sse) }
        guard has("reply.events") else { return nil }
        let frames = try text("reply.events").split(separator: "\n").map { line in
            let parts = line.split(separator: " ", maxSplits: 1)
            return EventFrame.event(String(parts[0]), String(parts[1]))
        }
        return (frames.flatMap { $0 }, .eventStream)
    }

    /// The whole of some bytes, and every way to cut them in two.
    static func cuts(_ bytes: [UInt8]) -> [[ArraySlice<UInt8>]] {
        [[bytes[...]]] + bytes.indices.map { [bytes[..<$0], bytes[$0...]] }
    }
}
