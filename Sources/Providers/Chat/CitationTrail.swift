import NIOCore

/// What the text of a streamed answer rests on, on its way to the client: told when the text is over.
///
/// Every annotation has an `index` in the answer, by which clients that add up pieces tell the elements of a list.
struct CitationTrail: Sendable {
    private var waiting: [String] = []
    private var told = 0

    /// Whether more would be left out.
    var isFull: Bool { told + waiting.count >= URLCitation.limit }

    /// - Parameter annotation: JSON text of an object.
    mutating func add(_ annotation: String) {
        if !isFull { waiting.append(annotation) }
    }

    /// Tells what has not been told.
    mutating func flush(_ chunks: ChatChunks, into out: inout ByteBuffer) {
        guard !waiting.isEmpty else { return }
        let list = waiting.enumerated().map { #"{"index":\#(told + $0.offset),"# + $0.element.dropFirst() }
        chunks.member("annotations", json: "[" + list.joined(separator: ",") + "]", into: &out)
        told += waiting.count
        waiting = []
    }
}
