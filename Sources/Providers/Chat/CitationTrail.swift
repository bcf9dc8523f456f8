import NIOCore

/// What the text of a streamed answer rests on, on its way to the client: told when the text is over.
///
/// Every annotation has an `index` in the answer, by which clients that add up pieces tell the elements of a list.
/// - Limit: `URLCitation.limit` annotations, and 1 MiB of those that wait; more are left out.
struct CitationTrail: Sendable {
    private static let byteLimit = 1 << 20

    private var waiting: [String] = []
    /// Pages that a text rests on whose end is not known, by its block.
    private var open: [Int: [URLCitation]] = [:]
    private var openCount = 0
    private var told = 0
    /// Of what waits.
    private var bytes = 0

    /// Whether more would be left out.
    var isFull: Bool { told + waiting.count + openCount >= URLCitation.limit || bytes >= Self.byteLimit }

    /// - Parameter annotation: JSON text of an object.
    mutating func add(_ annotation: String) {
        guard takes(annotation.utf8.count) else { return }
        waiting.append(annotation)
    }

    /// Adds a page of a text that goes on.
    mutating func add(_ page: URLCitation, of block: Int) {
        guard takes(page.url.utf8.count + (page.title?.utf8.count ?? 0)) else { return }
        open[block, default: []].append(page)
        openCount += 1
    }

    /// The text of a block is over.
    mutating func close(_ block: Int, over range: Range<Int>) {
        guard let pages = open.removeValue(forKey: block) else { return }
        openCount -= pages.count
        for var page in pages {
            page.range = range
            waiting.append(page.json)
        }
    }

    private mutating func takes(_ length: Int) -> Bool {
        guard !isFull, bytes + length <= Self.byteLimit else { return false }
        bytes += length
        return true
    }

    /// Tells what has not been told.
    mutating func flush(_ chunks: ChatChunks, into out: inout ByteBuffer) {
        guard !waiting.isEmpty else { return }
        let list = waiting.enumerated().map { #"{"index":\#(told + $0.offset),"# + $0.element.dropFirst() }
        chunks.member("annotations", json: "[" + list.joined(separator: ",") + "]", into: &out)
        told += waiting.count
        waiting = []
        if openCount == 0 { bytes = 0 }
    }
}
