/// Which places outside secrets may point to: what the operator lists in `secrets.references`.
///
/// Whoever may write secrets of one account could otherwise have the daemon read any file and variable of the machine
/// and send it to a provider of their own.
package struct ReferenceRules: Sendable {
    /// A reference's text, or its beginning.
    private enum Pattern {
        case whole(String)
        case beginning(String)
    }

    private let patterns: [Pattern]

    /// - Parameter texts: references such as `env:OPENAI_API_KEY`, or beginnings of them followed by `*`.
    package init(_ texts: [String]) {
        patterns = texts.map { $0.hasSuffix("*") ? .beginning(String($0.dropLast())) : .whole($0) }
    }

    /// Whether the operator lets secrets point there.
    package func allow(_ reference: SecretReference) -> Bool {
        let text = reference.text
        return patterns.contains { pattern in
            switch pattern {
            // A pattern may leave the usual field of a KV secret out, as a reference may.
            case .whole(let whole): text == whole || text == whole + "#value"
            case .beginning(let beginning): text.hasPrefix(beginning)
            }
        }
    }

    /// Those of the process's variables that a secret may point to.
    package func variables(of environment: [String: String]) -> [String: String] {
        environment.filter { name, _ in allow(.environment(name)) }
    }
}
