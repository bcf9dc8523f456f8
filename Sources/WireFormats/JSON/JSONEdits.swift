package import NIOCore

/// Changes to one JSON document, made in one pass over it: what no change covers stays as it was, byte for byte.
///
/// Valid only while the bytes of the document are. No two changes may cover the same bytes; of those that do, the one
/// that begins first counts.
package struct JSONEdits {
    /// What becomes of one member of an object.
    package enum MemberChange {
        case keep
        case remove
        /// JSON text of the value that stands in its place.
        case value(String)
        /// Another key for the same value.
        case key(StaticString)
        /// JSON text of a whole member that stands in its place.
        case member(String)
    }

    private let document: UnsafeRawBufferPointer
    private var changes: [(range: Range<Int>, text: String)] = []

    /// - Parameter document: one valid JSON value.
    package init(_ document: UnsafeRawBufferPointer) {
        self.document = document
    }

    /// Whether the document stays as it is.
    package var isEmpty: Bool { changes.isEmpty }

    /// Puts JSON text in the place of a value of the document.
    package mutating func replace(_ value: JSONView, with text: String) {
        if let range = range(of: value.bytes) { changes.append((range, text)) }
    }

    /// Writes JSON text between two bytes of the document.
    package mutating func insert(_ text: String, at offset: Int) {
        changes.append((offset..<offset, text))
    }

    /// Removes the elements of an array of the document that are not kept.
    package mutating func filter(_ array: JSONView, _ isKept: (_ index: Int, _ element: JSONView) -> Bool) {
        var list: [(range: Range<Int>, isKept: Bool)] = []
        array.forEachElement { element in
            guard let range = range(of: element.bytes) else { return }
            list.append((range, isKept(list.count, element)))
        }
        remove(list)
    }

    /// Changes members of an object of the document.
    ///
    /// - Parameter added: JSON text of members that come first; none of them may exist.
    package mutating func edit(
        _ object: JSONView, adding added: [String] = [],
        _ change: (_ key: UnsafeRawBufferPointer, _ value: JSONView) -> MemberChange
    ) {
        guard object.kind == .object, let whole = range(of: object.bytes) else { return }
        var list: [(range: Range<Int>, isKept: Bool)] = []
        object.forEachWholeMember { key, value, member in
            guard let range = range(of: member), let valueRange = self.range(of: value.bytes) else { return }
            var isKept = true
            switch change(key, value) {
            case .keep: break
            case .remove: isKept = false
            case .value(let text): changes.append((valueRange, text))
            case .key(let name): changes.append((range.lowerBound..<valueRange.lowerBound, "\"\(name)\":"))
            case .member(let text): changes.append((range, text))
            }
            list.append((range, isKept))
        }
        remove(list)
        guard !added.isEmpty else { return }
        let comma = list.contains { $0.isKept } ? "," : ""
        let start = whole.lowerBound + 1
        changes.append((start..<start, added.joined(separator: ",") + comma))
    }

    /// Removes parts of a list that commas separate, each with one of the commas around it.
    private mutating func remove(_ list: [(range: Range<Int>, isKept: Bool)]) {
        guard let lastKept = list.lastIndex(where: \.isKept) else {
            if let first = list.first, let last = list.last {
                changes.append((first.range.lowerBound..<last.range.upperBound, ""))
            }
            return
        }
        for index in 0..<lastKept where !list[index].isKept {
            changes.append((list[index].range.lowerBound..<list[index + 1].range.lowerBound, ""))
        }
        if let last = list.last, lastKept < list.count - 1 {
            changes.append((list[lastKept].range.upperBound..<last.range.upperBound, ""))
        }
    }

    private func range(of part: UnsafeRawBufferPointer) -> Range<Int>? {
        guard let base = document.baseAddress, let start = part.baseAddress else { return nil }
        let offset = start - base
        guard offset >= 0, offset + part.count <= document.count else { return nil }
        return offset..<offset + part.count
    }

    /// The document with all changes.
    package func applied() -> ByteBuffer {
        var out = ByteBuffer()
        let sorted = changes.sorted {
            ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
        }
        out.reserveCapacity(document.count + sorted.reduce(0) { $0 + $1.text.utf8.count })
        var position = 0
        for change in sorted where change.range.lowerBound >= position {
            out.writeBytes(UnsafeRawBufferPointer(rebasing: document[position..<change.range.lowerBound]))
            out.writeString(change.text)
            position = change.range.upperBound
        }
        out.writeBytes(UnsafeRawBufferPointer(rebasing: document[position...]))
        return out
    }
}
