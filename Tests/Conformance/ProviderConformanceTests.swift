import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// Every provider of the registry against its own folder of fixtures, in every direction of a chat.
@Suite("Conformance of providers")
struct ProviderConformanceTests {
    private static let account: AccountID = "0123456789abcdef0123456789abcdef"
    static let slugs = ProviderRegistry.builtIn.slugs.filter { $0 != "sandbox" }

    /// Lines `path -> address header: value, …`: where a call goes, and how a stored key goes along.
    @Test("paths lead where they should, and a stored key goes where the provider looks", arguments: slugs)
    func routes(slug: String) throws {
        let fixtures = try ProviderFixtures(slug)
        var written: [String] = []
        for line in try fixtures.text("routes.txt").split(separator: "\n") {
            let suffix = String(line.prefix { $0 != " " })
            let parts = suffix.split(separator: "?", maxSplits: 1)
            let target = try fixtures.provider.target(
                path: String(parts[0]), query: parts.count > 1 ? String(parts[1]) : nil, account: Self.account,
                workersAIAccount: nil)
            let fields = fixtures.provider.inject("KEY", for: target).map { "\($0.name): \($0.value)" }
            written.append(
                "\(suffix) -> \(target.origin.description)\(target.requestTarget) \(fields.joined(separator: ", "))")
        }
        #expect(!written.isEmpty)
        try fixtures.expect(written.joined(separator: "\n") + "\n", "routes.txt")
    }

    @Test("a chat is asked in the provider's own way", arguments: FixtureChat.slugs)
    func request(slug: String) throws {
        let fixtures = try ProviderFixtures(slug)
        try fixtures.expect(try FixtureChat(fixtures).upstream, "upstream.json")
    }

    @Test("a whole answer becomes OpenAI's", arguments: FixtureChat.slugs)
    func answer(slug: String) throws {
        let fixtures = try ProviderFixtures(slug)
        let reply = try fixtures.text("reply.json")
        let chat = try FixtureChat(fixtures)
        guard let answers = chat.answers else { return try fixtures.expect(reply, "client.json") }
        let answer = try Array(reply.utf8).withUnsafeBytes { try answers.answer($0, chat.terms) }
        guard case .completion(let json) = answer else {
            Issue.record("\(slug): an error instead of a completion")
            return
        }
        try fixtures.expect(String(buffer: json), "client.json")
    }

    @Test("a streamed answer becomes OpenAI's, wherever it is cut", arguments: FixtureChat.slugs)
    func stream(slug: String) throws {
        let fixtures = try ProviderFixtures(slug)
        let reply = try #require(try fixtures.stream())
        let chat = try FixtureChat(fixtures)
        guard let answers = chat.answers else {
            return try fixtures.expect(String(decoding: reply.bytes, as: UTF8.self), "client.sse")
        }
        try fixtures.expect(try FixtureChat.told(reply, answers, chat.terms), "client.sse")
    }

    /// Those of OpenAI's form are relayed by what serves them; the end-to-end tests send the same files through it.
    @Test("an error of another form becomes OpenAI's and keeps its status", arguments: FixtureChat.translatedSlugs)
    func failure(slug: String) throws {
        let fixtures = try ProviderFixtures(slug)
        let (first, body) = try fixtures.parts("error.txt")
        let status = try #require(Int(first))
        let answers = try #require(try FixtureChat(fixtures).answers)
        let failure = Array(body.utf8).withUnsafeBytes { answers.failure(status: status, $0) }
        #expect(failure.status == status)
        try fixtures.expect("\(failure.status)\n\(String(buffer: failure.json))\n", "client-error.txt")
    }

    @Test("the others' errors are left as they are", arguments: FixtureChat.slugs)
    func relayed(slug: String) throws {
        guard !FixtureChat.translatedSlugs.contains(slug) else { return }
        let fixtures = try ProviderFixtures(slug)
        #expect(fixtures.has("error.txt") && !fixtures.has("client-error.txt"))
    }

    @Test("both answers are told with the same words, reason and usage", arguments: FixtureChat.slugs)
    func sameEitherWay(slug: String) throws {
        guard !ProviderFixtures.isUpdating else { return }
        let fixtures = try ProviderFixtures(slug)
        let json = Array(try fixtures.text("client.json").utf8)
        let (said, reason) = json.withUnsafeBytes { bytes in
            let choice = JSONView(bytes).member("choices")?.firstElement
            return (choice?.member("message")?.member("content")?.string, choice?.member("finish_reason")?.string)
        }
        var words = ""
        var last: String?
        var isDone = false
        for line in try fixtures.text("client.sse").split(separator: "\n") where line.hasPrefix("data: ") {
            let data = line.dropFirst(6)
            if data == "[DONE]" { isDone = true }
            Array(data.utf8).withUnsafeBytes { bytes in
                guard let choice = JSONView(bytes).member("choices")?.firstElement else { return }
                words += choice.member("delta")?.member("content")?.string ?? ""
                last = choice.member("finish_reason")?.string ?? last
            }
        }
        #expect(isDone && said == words && reason == last && reason != nil, "\(slug)")
    }
}
