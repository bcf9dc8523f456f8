import GatewayCore
import Testing

@testable import Providers

/// What is counted in each provider's answers, wherever they are cut.
@Suite("Conformance of usage")
struct UsageConformanceTests {
    /// A call's native path, query and body.
    private func call(_ fixtures: ProviderFixtures) throws -> (path: String, query: String?, body: String) {
        let isChat = FixtureChat.slugs.contains(fixtures.slug)
        let (first, body) = try fixtures.parts(isChat ? "upstream.json" : "call.txt")
        let parts = first.split(separator: "?", maxSplits: 1).map(String.init)
        return (parts[0], parts.count > 1 ? parts[1] : nil, body)
    }

    /// `name: value` of everything that a reader knows of an answer.
    private func read(
        _ fixtures: ProviderFixtures, _ pieces: [ArraySlice<UInt8>], _ kind: StreamKind
    ) throws -> String {
        let (path, query, body) = try call(fixtures)
        let reader = UsageReader(format: fixtures.provider.usageFormat(path: "/" + path), streamed: kind)
        Array(body.utf8).withUnsafeBytes { reader.note(request: $0, query: query) }
        if fixtures.has("reply.head") {
            for line in try fixtures.text("reply.head").split(separator: "\n") {
                let parts = line.split(separator: ":", maxSplits: 1)
                reader.note(header: String(parts[0]), value: String(parts[1].drop { $0 == " " }))
            }
        }
        for piece in pieces { piece.withUnsafeBytes { reader.feed($0) } }
        reader.finish()
        var told = ["model: \(reader.model ?? fixtures.provider.modelInPath(path) ?? "unknown")"]
        for member in Mirror(reflecting: reader.usage).children {
            guard let value = Mirror(reflecting: member.value).children.first?.value else { continue }
            told.append("\(member.label ?? ""): \(value)")
        }
        if kind.framing != nil { told.append(reader.isUnfinished ? "unfinished" : "finished") }
        #expect(!reader.sawErrorEvent)
        return told.joined(separator: ", ")
    }

    @Test("what an answer used is counted, and the same wherever it is cut", arguments: ProviderConformanceTests.slugs)
    func usage(slug: String) throws {
        let fixtures = try ProviderFixtures(slug)
        var written: [String] = []
        func count(_ bytes: [UInt8], _ kind: StreamKind, _ name: String) throws {
            let whole = try read(fixtures, [bytes[...]], kind)
            for pieces in ProviderFixtures.cuts(bytes) {
                #expect(try read(fixtures, pieces, kind) == whole, "\(slug)/\(name): cut at \(pieces[0].count)")
            }
            written.append("\(name) -> \(whole)")
        }
        if fixtures.has("reply.json") { try count(Array(try fixtures.text("reply.json").utf8), .whole, "whole") }
        if let stream = try fixtures.stream() { try count(stream.bytes, stream.kind, "streamed") }
        if fixtures.has("reply.head") { try count([], .other, "binary") }
        #expect(!written.isEmpty, "\(slug) has no answer")
        try fixtures.expect(written.joined(separator: "\n") + "\n", "usage.txt")
    }
}
