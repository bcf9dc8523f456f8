import CByteKernels
package import NIOCore

/// Keeps the raw values of wanted members of a document's outermost object while the document passes in pieces.
///
/// It follows the structure only (strings and brackets) and does not validate what is inside a value; the value it
/// returns is as good as the document. Where a wanted member occurs twice, the first one is kept.
/// Of some members only the number of their elements is wanted: nothing of them is kept, however long they are.
/// - Limit: a value longer than `limitPerMember` bytes is dropped and reads as absent; a key longer than 512 bytes
///   matches nothing.
package struct JSONCapture: Sendable {
    private static let keyLimit = 512

    private enum State {
        case beforeObject
        /// After the opening brace: a key or the end.
        case firstKey
        case nextKey
        case key
        case colon
        case valueStart
        case string
        case scalar
        /// Inside an array or object value; `depth` counts its open brackets.
        case container
        case containerString
        case afterValue
        case complete
        case broken
    }

    private let wanted: [StaticString]
    private let limit: Int
    /// Which of the wanted members are only counted.
    private let counted: Set<Int>
    private var counts: [Int: Int] = [:]
    /// Strings, objects and lists in the container that is being read, and whether it is a list itself.
    private var elements = 0
    private var isList = false
    private var values: [ByteBuffer?]
    private var state = State.beforeObject
    private var depth = 0
    /// Whether the byte before was an unescaped backslash of the string that is being read.
    private var escapes = false
    private var key: [UInt8] = []
    private var keyForm = JSONStringForm.plain
    /// The member whose value is being kept, and what of it has come.
    private var current: Int?
    private var pending = ByteBuffer()

    /// - Parameters:
    ///   - wanted: the members' names; `value(_:)` takes indices into this list.
    ///   - limitPerMember: most bytes kept of one value.
    ///   - counted: indices of members of which only the number of elements is wanted.
    package init(wanted: [StaticString], limitPerMember: Int = 65_536, counted: Set<Int> = []) {
        self.wanted = wanted
        limit = limitPerMember
        self.counted = counted
        values = Array(repeating: nil, count: wanted.count)
    }

    /// Whether the outermost object has ended.
    package var isComplete: Bool { state == .complete }

    /// Whether the document turned out not to be an object, so that nothing more will be found.
    package var isBroken: Bool { state == .broken }

    /// The raw text of the value of `wanted[index]`, once it has passed as a whole.
    package func value(_ index: Int) -> ByteBuffer? { values[index] }

    /// How many strings, objects and lists stand in the list `wanted[index]`, which is counted, once it has passed as a whole.
    package func count(_ index: Int) -> Int? { counts[index] }

    /// Takes the next piece of the document.
    package mutating func feed(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress else { return }
        var at = 0
        while at < bytes.count {
            let start = at
            switch state {
            case .key:
                at = stringPiece(bytes, base, from: at)
                // The closing quote is not part of the key.
                keep(key: bytes[start..<(state == .key ? at : at - 1)])
                if state == .colon { endKey() }
            case .string, .containerString:
                at = stringPiece(bytes, base, from: at)
                keep(bytes[start..<at])
                if state == .afterValue { endValue() }
            case .container:
                at += aig_json_dull_prefix(base + at, bytes.count - at)
                if at < bytes.count {
                    stepContainer(bytes[at])
                    at += 1
                }
                keep(bytes[start..<at])
                if state == .afterValue { endValue() }
            case .scalar:
                while at < bytes.count, !Self.endsScalar(bytes[at]) { at += 1 }
                keep(bytes[start..<at])
                if at < bytes.count {
                    state = .afterValue
                    endValue()
                }
            case .beforeObject, .firstKey, .nextKey, .colon, .valueStart, .afterValue:
                if !Self.isSpace(bytes[at]) { stepStructure(bytes[at]) }
                at += 1
            case .complete, .broken:
                return
            }
        }
    }

    /// Goes on inside a string until its closing quote, which changes the state, or the end of the piece.
    private mutating func stringPiece(_ bytes: UnsafeRawBufferPointer, _ base: UnsafeRawPointer, from: Int) -> Int {
        var at = from
        if escapes {
            escapes = false
            return at + 1
        }
        at += aig_json_string_run(base + at, bytes.count - at)
        guard at < bytes.count else { return at }
        if bytes[at] == 0x5C {
            escapes = true
            if state == .key { keyForm = .escaped }
        } else {
            switch state {
            case .key: state = .colon
            case .containerString: state = .container
            default: state = .afterValue
            }
        }
        return at + 1
    }

    private mutating func stepStructure(_ byte: UInt8) {
        switch (state, byte) {
        case (.beforeObject, 0x7B): state = .firstKey
        case (.firstKey, 0x7D), (.afterValue, 0x7D): state = .complete
        case (.firstKey, 0x22), (.nextKey, 0x22):
            state = .key
            key.removeAll(keepingCapacity: true)
            keyForm = .plain
        case (.colon, 0x3A): state = .valueStart
        case (.valueStart, _): startValue(byte)
        case (.afterValue, 0x2C): state = .nextKey
        default: state = .broken
        }
    }

    private mutating func startValue(_ byte: UInt8) {
        switch byte {
        case 0x22: state = .string
        case 0x7B, 0x5B:
            state = .container
            isList = byte == 0x5B
            depth = 1
        case 0x2D, 0x30...0x39, 0x74, 0x66, 0x6E: state = .scalar
        default:
            state = .broken
            return
        }
        withUnsafeBytes(of: byte) { keep($0[...]) }
    }

    private mutating func stepContainer(_ byte: UInt8) {
        switch byte {
        case 0x22:
            if depth == 1 { elements += 1 }
            state = .containerString
        case 0x7B, 0x5B:
            if depth == 1 { elements += 1 }
            depth += 1
        default:
            depth -= 1
            if depth == 0 { state = .afterValue }
        }
    }

    private mutating func keep(key bytes: Slice<UnsafeRawBufferPointer>) {
        // One byte too many marks a key that is longer than any wanted one.
        key.append(contentsOf: bytes.prefix(Self.keyLimit + 1 - key.count))
    }

    private mutating func endKey() {
        guard key.count <= Self.keyLimit else { return }
        let form = keyForm
        current = key.withUnsafeBytes { key in wanted.firstIndex { key.isKey($0, form) } }
        if let index = current, values[index] != nil || counts[index] != nil { current = nil }
        elements = 0
        isList = false
        pending = ByteBuffer()
    }

    private mutating func keep(_ bytes: Slice<UnsafeRawBufferPointer>) {
        guard let current, !counted.contains(current) else { return }
        guard pending.readableBytes + bytes.count <= limit else {
            self.current = nil
            pending = ByteBuffer()
            return
        }
        pending.writeBytes(UnsafeRawBufferPointer(rebasing: bytes))
    }

    private mutating func endValue() {
        guard let index = current else { return }
        if counted.contains(index) {
            if isList { counts[index] = elements }
        } else {
            values[index] = pending
        }
        current = nil
        pending = ByteBuffer()
    }

    private static func endsScalar(_ byte: UInt8) -> Bool {
        byte == 0x2C || byte == 0x7D || byte == 0x5D || isSpace(byte)
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
    }
}
