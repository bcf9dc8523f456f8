import CByteKernels

/// One strict pass over a whole JSON document.
///
/// - Source: RFC 8259 (grammar), RFC 3629 (UTF-8 inside strings; anything else outside them is no JSON) · documented
/// - Limit: 512 levels of nesting; a deeper document is malformed. No byte order mark.
package struct JSONScan {
    /// Whether `bytes` are one valid JSON value with nothing but whitespace around it.
    package static func validate(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var cursor = JSONCursor(bytes)
        cursor.skipWhitespace()
        guard cursor.skipValue(depth: 0) else { return false }
        cursor.skipWhitespace()
        return cursor.at == bytes.count
    }

    /// Where the wanted members of a document's outermost object are; nil when `bytes` are not one valid object.
    package static func topLevel(_ bytes: UnsafeRawBufferPointer, wanted: [StaticString]) -> JSONTopLevel? {
        var cursor = JSONCursor(bytes)
        cursor.skipWhitespace()
        var result = JSONTopLevel(objectStart: cursor.at, count: wanted.count)
        guard cursor.take(0x7B) else { return nil }
        cursor.skipWhitespace()
        if cursor.byte != 0x7D {
            repeat {
                cursor.skipWhitespace()
                guard let member = cursor.takeMember(depth: 1) else { return nil }
                let key = UnsafeRawBufferPointer(rebasing: bytes[member.key..<member.key_end])
                let form = JSONStringForm(escapes: member.escapes)
                for (index, name) in wanted.enumerated() where key.isKey(name, form) {
                    result.found(index, member.value..<member.value_end)
                    break
                }
            } while cursor.take(0x2C)
        }
        result.objectEnd = cursor.at
        guard cursor.take(0x7D) else { return nil }
        cursor.skipWhitespace()
        return cursor.at == bytes.count ? result : nil
    }
}

/// Where the wanted members of an object are, in offsets into the scanned bytes.
package struct JSONTopLevel: Sendable, Equatable {
    /// A member's value, or no place at all; a list of optional ranges is handled through their witnesses.
    private struct Place: Sendable, Equatable {
        var start = -1
        var end = -1
    }

    private var places: [Place]
    /// The offset of the opening brace.
    package private(set) var objectStart: Int
    /// The offset of the closing brace.
    package fileprivate(set) var objectEnd: Int
    /// Whether a wanted member occurs more than once; readers disagree about which one counts.
    package private(set) var hasDuplicate = false

    fileprivate init(objectStart: Int, count: Int) {
        self.objectStart = objectStart
        objectEnd = objectStart
        places = Array(repeating: Place(), count: count)
    }

    /// Where the value of `wanted[index]` stands, the first one if there are several.
    package subscript(index: Int) -> Range<Int>? {
        let place = places[index]
        return place.start < 0 ? nil : place.start..<place.end
    }

    fileprivate mutating func found(_ index: Int, _ range: Range<Int>) {
        if places[index].start < 0 {
            places[index] = Place(start: range.lowerBound, end: range.upperBound)
        } else {
            hasDuplicate = true
        }
    }
}
