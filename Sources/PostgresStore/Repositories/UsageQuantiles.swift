import Glibc

/// How long the requests of a group took.
package struct UsageQuantiles: Sendable, Equatable {
    /// As in the group's `UsageGroup`.
    package var values: [String]
    /// Of each share that was asked for: milliseconds that so many requests took at most, to the width of a class.
    package var milliseconds: [Double]

    /// - Parameter classes: places on the scale of `usage_durations`, where c stands for 2^(c/8) microseconds.
    init(values: [String], classes: [Double]) {
        self.values = values
        milliseconds = classes.map { (exp2($0 / 8) / 10).rounded() / 100 }
    }
}
