/// The query of a call: decoded names and values in the order they came.
package struct QueryItems: Sendable, Equatable {
    package struct Item: Sendable, Equatable {
        package var name: String
        package var value: String
    }

    package private(set) var items: [Item]

    /// Decodes `a=1&b=%20+`; a name without an equals sign has an empty value.
    package init(decoding query: String) {
        items = query.utf8.split(separator: UInt8(ascii: "&")).map { pair in
            let parts = pair.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            return Item(
                name: PercentDecoding.form(parts[0]), value: parts.count > 1 ? PercentDecoding.form(parts[1]) : ""
            )
        }
    }

    /// The last value called `name`.
    package subscript(name: String) -> String? { items.last { $0.name == name }?.value }

    /// The last value called `name`, unless it is empty.
    func value(_ name: String) -> String? { self[name].flatMap { $0.isEmpty ? nil : $0 } }
}

/// Turns percent-encoded text into the text it stands for.
enum PercentDecoding {
    /// A part of a query, where a plus sign stands for a space.
    static func form(_ bytes: some Collection<UInt8>) -> String { decode(bytes, plus: UInt8(ascii: " ")) }

    /// A segment of a path.
    static func segment(_ bytes: some Collection<UInt8>) -> String { decode(bytes, plus: UInt8(ascii: "+")) }

    private static func decode(_ bytes: some Collection<UInt8>, plus: UInt8) -> String {
        var out: [UInt8] = []
        out.reserveCapacity(bytes.count)
        var rest = bytes[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let high = digit(rest[rest.startIndex]), let low = digit(rest[rest.index(after: rest.startIndex)])
            {
                out.append(high << 4 | low)
                rest = rest.dropFirst(2)
            } else {
                out.append(byte == UInt8(ascii: "+") ? plus : byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x37
        case 0x61...0x66: byte - 0x57
        default: nil
        }
    }
}
