/// The members of a client's request that its provider is not told of (providers.md §6.1), by name, for the log.
///
/// - Limits: 32 names of at most 64 letters, digits and `_`, `.`, `-`, each once; others are not told of.
package struct DroppedMembers: Sendable, Equatable {
    package private(set) var names: [String] = []

    private static let limit = 32
    private static let nameLimit = 64

    package init() {}

    package mutating func add(_ name: String) {
        guard names.count < Self.limit, (1...Self.nameLimit).contains(name.utf8.count),
            name.utf8.allSatisfy(Self.isLegal),
            !names.contains(name)
        else { return }
        names.append(name)
    }

    package mutating func add(_ other: DroppedMembers) {
        for name in other.names { add(name) }
    }

    /// The names with commas between them; nil where everything was told.
    package var list: String? { names.isEmpty ? nil : names.joined(separator: ",") }

    private static func isLegal(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
        default: false
        }
    }
}
