import NIOCore
import WireFormats

/// Writes the pages that an answer rests on as annotations (providers.md §8.2).
enum GeminiGrounding {
    private static let limit = URLCitation.limit

    /// - Parameters:
    ///   - text: what the places in Google's answer count the bytes of; nil where it is not at hand.
    ///   - length: Unicode scalars of the whole text, which a page without a place of its own stands for.
    /// - Returns: JSON text of each annotation.
    static func annotations(_ metadata: JSONView, text: String?, length: Int) -> [String] {
        var places: [Int: Range<Int>] = [:]
        if let text {
            metadata.member("groundingSupports")?.forEachElement { support in
                guard let segment = support.member("segment"), let end = segment.member("endIndex")?.int else { return }
                let start = segment.member("startIndex")?.int ?? 0
                support.member("groundingChunkIndices")?.forEachElement { index in
                    guard let index = index.int, (0..<limit).contains(index), places[index] == nil else { return }
                    places[index] = scalars(of: text, bytes: start, end)
                }
            }
        }
        var result: [String] = []
        var index = 0
        metadata.member("groundingChunks")?.forEachElement { chunk in
            defer { index += 1 }
            guard index < limit, let web = chunk.member("web"), let url = web.member("uri")?.string else { return }
            let place = places[index] ?? 0..<length
            result.append(URLCitation(url: url, title: web.member("title")?.string, range: place).json)
        }
        return result
    }

    /// A range of bytes as one of Unicode scalars; nil when it is not inside of the text.
    private static func scalars(of text: String, bytes start: Int, _ end: Int) -> Range<Int>? {
        guard 0 <= start, start <= end, end <= text.utf8.count else { return nil }
        func count(_ bytes: Substring.UTF8View) -> Int { bytes.reduce(0) { $0 + ($1 & 0xC0 == 0x80 ? 0 : 1) } }
        let utf8 = text[...].utf8
        let lower = count(utf8.prefix(start))
        return lower..<lower + count(utf8.dropFirst(start).prefix(end - start))
    }
}
