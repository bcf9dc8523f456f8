/// Which usage format the answers under a path have.
package struct UsageRule: Sendable {
    /// A test of an upstream path.
    enum Match: Sendable {
        case contains(String)
        case ends(String)

        func holds(_ path: String) -> Bool {
            switch self {
            case .contains(let part): path.utf8Position(of: part) != nil
            case .ends(let part): path.hasSuffix(part)
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
        exceptions.first { $0.match.holds(path) }?.format ?? usual
    }
}
