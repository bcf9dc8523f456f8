import Foundation
import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// Every provider of the registry against its own folder of fixtures.
///
/// A folder holds `routes.txt`, and for a provider of the OpenAI-compatible endpoint one small chat: `chat.json` is
/// what a client sends, `upstream.json` what the provider gets, `reply.json` and `reply.sse` what it answers,
/// `client.json` and `client.sse` what the client gets. `UPDATE_FIXTURES=1` writes the files that follow from others;
/// the difference is to be read before it is committed.
@Suite("Conformance of providers")
struct ProviderConformanceTests {
    private static let account: AccountID = "0123456789abcdef0123456789abcdef"
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Fixtures")
    private static let isUpdating = ProcessInfo.processInfo.environment["UPDATE_FIXTURES"] == "1"

    static let slugs = ProviderRegistry.builtIn.slugs.filter { $0 != "sandbox" }
    /// Binary framing has tests of its own.
    static let ownTests: Set<ProviderID> = ["aws-bedrock"]
    /// What a credential tells that knows a place.
    static let place = CredentialPlace(project: "p", region: "us-east1")
    static let chatSlugs = ProviderRegistry.builtIn.all.filter { provider in
        guard provider.id != "sandbox", !ownTests.contains(provider.id) else { return false }
        if case .unsupported = provider.compat { return false }
        return true
    }.map(\.id.rawValue)

    private func text(_ slug: String, _ file: String) throws -> String {
        try String(contentsOf: Self.folder.appending(path: slug).appending(path: file), encoding: .utf8)
    }

    /// Compares with a file, or writes it.
    private func expect(_ value: String, _ slug: String, _ file: String) throws {
        if Self.isUpdating {
            return try value.write(
                to: Self.folder.appending(path: slug).appending(path: file), atomically: true, encoding: .utf8)
        }
        #expect(value == (try text(slug, file)), "\(slug)/\(file)")
    }

    private func provider(_ slug: String) throws -> ProviderDefinition {
        try #require(ProviderRegistry.builtIn.provider(segment: slug))
    }

    /// Lines `path -> address header: value, …`: where a call goes, and how a stored key goes along.
    @Test("paths lead where they should, and a stored key goes where the provider looks", arguments: slugs)
    func routes(slug: String) throws {
        let provider = try provider(slug)
        var written: [String] = []
        for line in try text(slug, "routes.txt").split(separator: "\n") {
            let suffix = String(line.prefix { $0 != " " })
            let parts = suffix.split(separator: "?", maxSplits: 1)
            let target = try provider.target(
                path: String(parts[0]), query: parts.count > 1 ? String(parts[1]) : nil, account: Self.account,
                workersAIAccount: nil)
            let fields = provider.inject("KEY", for: target).map { "\($0.name): \($0.value)" }
            written.append(
                "\(suffix) -> \(target.origin.description)\(target.requestTarget) \(fields.joined(separator: ", "))")
        }
        #expect(!written.isEmpty)
        try expect(written.joined(separator: "\n") + "\n", slug, "routes.txt")
    }

    /// What the provider gets for `chat.json`, and what carries its answers.
    private func translated(
        _ slug: String
    ) throws -> (upstream: String, answers: (any ChatAnswerTranslator)?, ChatTerms) {
        let provider = try provider(slug)
        let body = Array(try text(slug, "chat.json").utf8)
        return try body.withUnsafeBytes { bytes in
            let name = try #require(JSONView(bytes).member("model")?.string)
            let (found, model) = try #require(ProviderRegistry.builtIn.compatTarget(model: name))
            #expect(found.id.rawValue == slug)
            var terms = ChatTerms()
            let result: (String, (any ChatAnswerTranslator)?)
            if let translator = provider.compat.translator(for: model) {
                let chat = try translator.request(bytes, for: ChatModel(name: model, place: Self.place))
                terms = chat.terms
                result = ("\(chat.path)\n\(String(buffer: chat.body))\n", translator)
            } else {
                let (target, sent) = try provider.compatTarget(model: model, account: Self.account)
                let dialect = provider.compat.surface?.dialect
                var edits = JSONEdits(bytes)
                if let member = JSONView(bytes).member("model") {
                    edits.replace(member, with: JSONPatch.quoted(sent))
                }
                try dialect?.edit(bytes, for: ChatModel(name: sent), into: &edits)
                let answers = dialect?.answers == .normalised ? DialectAnswers(provider: slug) : nil
                result = ("\(target.requestTarget)\n\(String(buffer: edits.applied()))", answers)
            }
            terms.created = 1_700_000_000
            return (result.0, result.1, terms)
        }
    }

    @Test("a chat is asked in the provider's own way", arguments: chatSlugs)
    func request(slug: String) throws {
        try expect(try translated(slug).upstream, slug, "upstream.json")
    }

    @Test("a whole answer becomes OpenAI's", arguments: chatSlugs)
    func answer(slug: String) throws {
        let reply = try text(slug, "reply.json")
        let (_, answers, terms) = try translated(slug)
        guard let answers else { return try expect(reply, slug, "client.json") }
        let answer = try Array(reply.utf8).withUnsafeBytes { try answers.answer($0, terms) }
        guard case .completion(let json) = answer else {
            Issue.record("\(slug): an error instead of a completion")
            return
        }
        try expect(String(buffer: json), slug, "client.json")
    }

    @Test("a streamed answer becomes OpenAI's, wherever it is cut", arguments: chatSlugs)
    func stream(slug: String) throws {
        let reply = Array(try text(slug, "reply.sse").utf8)
        let (_, answers, terms) = try translated(slug)
        guard let answers else { return try expect(String(decoding: reply, as: UTF8.self), slug, "client.sse") }
        var whole: String?
        for cut in [reply.count] + Array(0..<reply.count) {
            var parser = SSEParser()
            var stream = answers.stream(terms)
            var out = ByteBuffer()
            for part in [reply[..<cut], reply[cut...]] {
                try part.withUnsafeBytes { piece in
                    try parser.feed(piece) { stream.take($0, $1, into: &out) }
                }
            }
            parser.finish { stream.take($0, $1, into: &out) }
            stream.finish(into: &out)
            let text = String(buffer: out)
            #expect(stream.state == .complete, "\(slug): cut at \(cut)")
            if let whole {
                #expect(text == whole, "\(slug): cut at \(cut)")
            } else {
                whole = text
            }
        }
        try expect(try #require(whole), slug, "client.sse")
    }

    @Test("both answers are told with the same words, reason and usage", arguments: chatSlugs)
    func sameEitherWay(slug: String) throws {
        guard !Self.isUpdating else { return }
        let json = Array(try text(slug, "client.json").utf8)
        let (said, reason) = json.withUnsafeBytes { bytes in
            let choice = JSONView(bytes).member("choices")?.firstElement
            return (choice?.member("message")?.member("content")?.string, choice?.member("finish_reason")?.string)
        }
        var words = ""
        var last: String?
        var isDone = false
        for line in try text(slug, "client.sse").split(separator: "\n") where line.hasPrefix("data: ") {
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
