import GatewayCore
import NIOCore
import Testing

@testable import Providers

@Suite("Citations of a streamed answer")
struct CitationTrailTests {
    private static let chunks = ChatChunks(id: "1", model: "m", ChatTerms())

    private func told(_ trail: inout CitationTrail) -> String {
        var out = ByteBuffer()
        trail.flush(Self.chunks, into: &out)
        return String(buffer: out)
    }

    @Test("no more than so many, counted over blocks that are open, waiting or told")
    func number() {
        var trail = CitationTrail()
        for number in 0..<100 { trail.add(#"{"n":\#(number)}"#) }
        _ = told(&trail)
        for number in 0..<300 { trail.add(URLCitation(url: "u\(number)", title: nil, range: nil), of: number) }
        #expect(trail.isFull)
        for number in 0..<300 { trail.close(number, over: 0..<1) }
        let text = told(&trail)
        #expect(text.split(separator: "url_citation\"", omittingEmptySubsequences: false).count - 1 == 2 * 156)
        #expect(text.contains(#"{"index":255,"#) && !text.contains(#"{"index":256,"#))
    }

    @Test("no more than a megabyte waits, of open blocks too")
    func bytes() {
        let large = String(repeating: "x", count: 300_000)
        var trail = CitationTrail()
        for number in 0..<9 { trail.add(URLCitation(url: large, title: nil, range: nil), of: number) }
        for number in 0..<9 { trail.close(number, over: 0..<1) }
        #expect(told(&trail).utf8.count < 1 << 20)
        // What was told makes room.
        trail.add(#"{"n":1}"#)
        #expect(told(&trail).contains(#"{"index":3,"n":1}"#))
    }
}
