import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// The chat of a provider's fixtures: what the provider gets for it, and what carries its answers.
struct FixtureChat {
    /// Providers of the OpenAI-compatible endpoint.
    static let slugs = ProviderRegistry.builtIn.all.filter { provider in
        guard provider.id != "sandbox" else { return false }
        if case .unsupported = provider.compat { return false }
        return true
    }.map(\.id.rawValue)

    /// Those of them whose errors have another form than OpenAI's.
    static let translatedSlugs = slugs.filter { slug in
        (try? FixtureChat(try ProviderFixtures(slug)))?.answers?.foreignAnswers == .translated
    }

    private static let account: AccountID = "0123456789abcdef0123456789abcdef"
    /// What a credential tells that knows a place, in the words of its provider.
    private static func place(_ slug: String) -> CredentialPlace {
        slug == "aws-bedrock" ? CredentialPlace(region: "us-east-1") : CredentialPlace(project: "p", region: "us-east1")
    }

    /// Path and body.
    let upstream: String
    /// Nil: answers are relayed as they are.
    let answers: (any ChatAnswerTranslator)?
    let terms: ChatTerms

    init(_ fixtures: ProviderFixtures) throws {
        let provider = fixtures.provider
        let body = Array(try fixtures.text("chat.json").utf8)
        (upstream, answers, terms) = try body.withUnsafeBytes {
            (bytes) -> (String, (any ChatAnswerTranslator)?, ChatTerms) in
            let name = try #require(JSONView(bytes).member("model")?.string)
            let (found, model) = try #require(ProviderRegistry.builtIn.compatTarget(model: name))
            #expect(found.id == provider.id)
            var terms = ChatTerms()
            let upstream: String
            let answers: (any ChatAnswerTranslator)?
            if let translator = provider.compat.translator(for: model) {
                let chat = try translator.request(bytes, for: ChatModel(name: model, place: Self.place(fixtures.slug)))
                terms = chat.terms
                upstream = "\(chat.path)\n\(String(buffer: chat.body))\n"
                answers = translator
            } else {
                let (target, sent) = try provider.compatTarget(model: model, account: Self.account)
                let dialect = provider.compat.surface?.dialect
                var edits = JSONEdits(bytes)
                if let member = JSONView(bytes).member("model") {
                    edits.replace(member, with: JSONPatch.quoted(sent))
                }
                var dropped = DroppedMembers()
                try dialect?.edit(bytes, for: ChatModel(name: sent), into: &edits, noting: &dropped)
                upstream = "\(target.requestTarget)\n\(String(buffer: edits.applied()))"
                answers = dialect?.answers == .normalised ? DialectAnswers(provider: fixtures.slug) : nil
            }
            terms.created = 1_700_000_000
            if answers?.answerIDHeader != nil { terms.answerID = "req-1" }
            return (upstream, answers, terms)
        }
    }

    /// What a translator makes of a streamed answer that arrives in these pieces; it has to end well.
    static func told(
        _ pieces: [ArraySlice<UInt8>], _ kind: StreamKind, _ translator: any ChatAnswerTranslator, _ terms: ChatTerms
    ) throws -> String {
        var reader = EventReader(try #require(kind.framing))
        var stream = translator.stream(terms)
        var out = ByteBuffer()
        for piece in pieces {
            try piece.withUnsafeBytes { bytes in
                try reader.feed(bytes) { stream.take($0, $1, into: &out) }
            }
        }
        reader.finish { stream.take($0, $1, into: &out) }
        stream.finish(into: &out)
        #expect(stream.state == .complete)
        return String(buffer: out)
    }

    /// What it makes of the answer whole; the answer has to be the same, wherever it is cut.
    static func told(
        _ stream: (bytes: [UInt8], kind: StreamKind), _ translator: any ChatAnswerTranslator, _ terms: ChatTerms
    ) throws -> String {
        let whole = try told([stream.bytes[...]], stream.kind, translator, terms)
        for pieces in ProviderFixtures.cuts(stream.bytes) {
            let cut = try told(pieces, stream.kind, translator, terms)
            #expect(cut == whole, "cut at \(pieces[0].count)")
        }
        let single = try told(stream.bytes.indices.map { stream.bytes[$0...$0] }, stream.kind, translator, terms)
        #expect(single == whole, "byte by byte")
        return whole
    }
}
