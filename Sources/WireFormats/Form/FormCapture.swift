import CByteKernels

/// Keeps the value of one short text field of a form with files (RFC 7578) while the form passes in pieces.
///
/// A file's name or contents cannot be taken for the field: its head begins behind a line with the form's boundary.
/// - Limits: a value of at most 256 bytes, a part's head of at most 4096; a form beyond them has no such field.
package struct FormCapture: Sendable {
    private enum State {
        /// In the line with the boundary that begins the form.
        case opening
        /// Behind a boundary, in the head of a part.
        case head
        /// In the wanted field.
        case value
        /// In another part.
        case other
        /// Nothing more will be found.
        case over
    }

    private static let headLimit = 4096
    private static let valueLimit = 256
    /// Two dashes and 70 characters (RFC 2046 §5.1.1).
    private static let boundaryLimit = 72

    /// `name="…"` of the field.
    private let wanted: [UInt8]
    private var state = State.opening
    /// What has come of the present line, head or value; in another part, its last bytes, which may begin a boundary.
    private var pending: [UInt8] = []
    /// A line's end and the boundary.
    private var delimiter: [UInt8] = []
    private var found: String?

    package init(field name: String) { wanted = Array("name=\"\(name)\"".utf8) }

    /// Whether bytes may begin a form; a JSON document never does.
    package static func mayBegin(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.first == 0x2d }

    /// The field's value, once it has passed; nil while it has not, and where there is none.
    package var value: String? { found }

    /// Takes the next piece of the form.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) {
        var rest = bytes[...]
        while !rest.isEmpty, state != .over {
            switch state {
            case .opening: open(&rest)
            case .head: readHead(&rest)
            case .value: readValue(&rest)
            case .other: skip(&rest)
            case .over: return
            }
        }
    }

    private typealias Piece = Slice<UnsafeRawBufferPointer>

    /// Moves bytes to `pending` until it ends in `end`; false while it does not, and for more than `limit` bytes, with
    /// which the form is over.
    private mutating func take(_ rest: inout Piece, until end: [UInt8], limit: Int) -> Bool {
        while let byte = rest.popFirst() {
            pending.append(byte)
            if byte == end[end.count - 1], pending.count >= end.count, pending.suffix(end.count).elementsEqual(end) {
                return true
            }
            guard pending.count < limit + end.count else {
                state = .over
                return false
            }
        }
        return false
    }

    private mutating func open(_ rest: inout Piece) {
        guard take(&rest, until: [0x0d, 0x0a], limit: Self.boundaryLimit) else { return }
        let line = pending.dropLast(2)
        guard line.count > 2, line.starts(with: [0x2d, 0x2d]) else {
            state = .over
            return
        }
        delimiter = [0x0d, 0x0a] + line
        // The head's own beginning is a line's end, so that an empty one ends where it begins.
        pending = [0x0d, 0x0a]
        state = .head
    }

    private mutating func readHead(_ rest: inout Piece) {
        guard take(&rest, until: [0x0d, 0x0a, 0x0d, 0x0a], limit: Self.headLimit) else { return }
        let isWanted = pending.withUnsafeBytes { head in
            var at = 0
            while let place = Self.position(of: wanted, in: head, from: at) {
                // `filename="model"` is no field's name.
                if place > 0, head[place - 1] == 0x20 || head[place - 1] == 0x3b { return true }
                at = place + 1
            }
            return false
        }
        pending = []
        state = isWanted ? .value : .other
    }

    private mutating func readValue(_ rest: inout Piece) {
        guard take(&rest, until: delimiter, limit: Self.valueLimit) else { return }
        found = String(decoding: pending.dropLast(delimiter.count), as: UTF8.self)
        state = .over
    }

    /// Goes on behind the next boundary; what may be the beginning of one at the end of a piece waits for the next.
    private mutating func skip(_ rest: inout Piece) {
        let held = pending.count
        if held > 0 {
            // A boundary that began in the piece before.
            pending.append(contentsOf: rest.prefix(delimiter.count - 1))
            if let place = pending.withUnsafeBytes({ Self.position(of: delimiter, in: $0, from: 0) }) {
                rest = rest.dropFirst(place + delimiter.count - held)
                return endPart()
            }
            guard rest.count >= delimiter.count - 1 else {
                pending = pending.suffix(delimiter.count - 1)
                rest = rest.suffix(0)
                return
            }
            pending = []
        }
        if let place = Self.position(of: delimiter, in: UnsafeRawBufferPointer(rebasing: rest), from: 0) {
            rest = rest.dropFirst(place + delimiter.count)
            return endPart()
        }
        pending = Array(rest.suffix(delimiter.count - 1))
        rest = rest.suffix(0)
    }

    private mutating func endPart() {
        pending = []
        state = .head
    }

    private static func position(of needle: [UInt8], in bytes: UnsafeRawBufferPointer, from start: Int) -> Int? {
        guard let base = bytes.baseAddress, start < bytes.count else { return nil }
        let found = needle.withUnsafeBytes { aig_find(base + start, bytes.count - start, $0.baseAddress, $0.count) }
        return found < 0 ? nil : start + found
    }
}
