/// Which usage format the answers under a path have.
package struct UsageRule: Sendable {
    /// A test of an upstream path.
    enum Match: Sendable {
        case contains(StaticString)
        case ends(StaticString)

        func holds(_ path: UnsafeRawBufferPointer) -> Bool {
            switch self {
            case .contains(let part): return path.position(of: part) != nil
            case .ends(let part):
                let length = part.utf8CodeUnitCount
                guard path.count >= length else { return false }
                return UnsafeRawBufferPointer(rebasing: path[(path.count - length)...]).isText(part)
            }
        }
    }

    private let usual: UsageFormat
    private let exceptions: [(match: Match, format: UsageFormat)]

    init(_ usual: UsageFormat, except exceptions: [(match: Match, format: UsageFormat)] = []) {
        self.usual = usual
        self.exceptions = exceptions
    }

    func format(path: String) -> UsageFormat {
        guard !exceptions.isEmpty else { return usual }
        return path.withBytes { bytes in
            for exception in exceptions where exception.match.holds(bytes) { return exception.format }
            return usual
        }
    }
}
