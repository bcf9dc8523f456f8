/// A place outside of the database where a secret's value is found.
///
/// - Text: `env:NAME`, `file:/absolute/path`, `vault:mount/path#field` (`#value` when no field is named).
package enum SecretReference: Sendable, Hashable {
    /// A variable of the daemon's environment.
    case environment(String)
    /// The content of a file on each node.
    case file(String)
    /// A field of a secret in a KV store of version 2.
    case vault(mount: String, path: String, field: String)

    /// Longest text of a reference, in bytes.
    package static let maximumLength = 1024
    /// Stands before a value that would otherwise be read as a reference.
    package static let literalPrefix = "literal:"

    /// Why a text that begins like a reference is none.
    package struct Malformed: Error, Sendable, Equatable {
        /// What is expected, for whoever wrote it; holds nothing of the text.
        package var expectation: String
    }

    /// Reads a reference; nil when the text begins like none and is therefore a value.
    package init?(_ text: String) throws(Malformed) {
        if let name = Self.rest(of: text, after: "env:") {
            let isName =
                name.utf8.allSatisfy(Self.isWordByte) && name.utf8.first.map { !(0x30...0x39).contains($0) } == true
            guard isName, text.utf8.count <= Self.maximumLength else {
                throw Malformed(expectation: "env: is followed by the name of an environment variable")
            }
            self = .environment(name)
        } else if let path = Self.rest(of: text, after: "file:") {
            guard path.hasPrefix("/"), path.utf8.count > 1, Self.isPlain(path.dropFirst()),
                text.utf8.count <= Self.maximumLength
            else { throw Malformed(expectation: "file: is followed by an absolute path without . and ..") }
            self = .file(path)
        } else if let place = Self.rest(of: text, after: "vault:") {
            let halves = place.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let parts = halves[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            let field = halves.count == 2 ? String(halves[1]) : "value"
            guard parts.count == 2, Self.isPlain(halves[0]), !field.isEmpty, Self.isPrintable(field),
                text.utf8.count <= Self.maximumLength
            else { throw Malformed(expectation: "vault: is followed by mount/path#field") }
            self = .vault(mount: String(parts[0]), path: String(parts[1]), field: field)
        } else {
            return nil
        }
    }

    /// The text that this reference is read from.
    package var text: String {
        switch self {
        case .environment(let name): "env:\(name)"
        case .file(let path): "file:\(path)"
        case .vault(let mount, let path, let field): "vault:\(mount)/\(path)#\(field)"
        }
    }

    private static func rest(of text: String, after prefix: String) -> String? {
        text.hasPrefix(prefix) ? String(text.dropFirst(prefix.count)) : nil
    }

    /// Segments that mean what they say: none is empty, `.` or `..`, and nothing in them is invisible.
    private static func isPlain(_ path: some StringProtocol) -> Bool {
        let segments = path.split(separator: "/", omittingEmptySubsequences: false)
        return segments.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." } && isPrintable(path)
    }

    private static func isPrintable(_ text: some StringProtocol) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }

    private static func isWordByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "_"): true
        default: false
        }
    }
}
