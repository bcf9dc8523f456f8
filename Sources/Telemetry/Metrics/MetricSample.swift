/// One value that control adds to `/metrics` beside what the workers count.
package struct MetricSample: Sendable {
    package enum Kind: String, Sendable { case counter, gauge }

    /// `aig_<noun>_<unit>_total` or the like.
    package var name: String
    package var kind: Kind
    package var help: String
    /// Names and values, in the order they are shown; values come from closed sets.
    package var labels: [(name: String, value: String)]
    package var value: Double

    package init(
        _ name: String, _ kind: Kind, _ help: String, labels: [(name: String, value: String)] = [], value: Double
    ) {
        self.name = name
        self.kind = kind
        self.help = help
        self.labels = labels
        self.value = value
    }
}
