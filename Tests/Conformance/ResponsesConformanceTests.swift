import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// The answers of every provider's chats, as those of the Responses API.
@Suite("Conformance of responses")
struct ResponsesConformanceTests {
    /// Providers whose chats become responses, and not those that have the endpoint themselves.
    static let slugs = FixtureChat.slugs.filter { slug in
        guard case .chat = ProviderRegistry.builtIn.provider(segment: slug)?.responses else { return false }
        return true
    }

    private func translator(_ fixtures: ProviderFixtures, _ chat: FixtureChat) throws -> ResponsesAnswers {
        let body = Array(#"{"model":"m","input":"Hi","instructions":"Be kind.","max_output_tokens":64}"#.utf8)
        return try body.withUnsafeBytes { bytes in
            let request = try ResponsesRequest(bytes, for: fixtures.provider.id, webSearch: .options, usage: .asked)
            return ResponsesAnswers(of: chat.answers, request.echo, provider: fixtures.provider.id)
        }
    }

    @Test("a whole chat becomes a response", arguments: slugs)
    func answer(slug: String) throws {
        let fixtures = try ProviderFixtures(slug)
        let chat = try FixtureChat(fixtures)
        let answers = try translator(fixtures, chat)
        let answer = try Array(try fixtures.text("reply.json").utf8).withUnsafeBytes {
            try answers.answer($0, chat.terms)
        }
        guard case .completion(let json) = answer else {
            Issue.record("\(slug): an error instead of a response")
            return
        }
        try fixtures.expect(String(buffer: json), "responses.json")
    }

    @Test("a streamed chat becomes a response's events, wherever it is cut", arguments: slugs)
    func stream(slug: String) throws {
        let fixtures = try ProviderFixtures(slug)
        let chat = try FixtureChat(fixtures)
        let reply = try #require(try fixtures.stream())
        try fixtures.expect(try FixtureChat.told(reply, try translator(fixtures, chat), chat.terms), "responses.sse")
    }
}
