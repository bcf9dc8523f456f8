/// A point in wall-clock time, in microseconds since 1970-01-01T00:00:00Z.
package struct Instant: Hashable, Sendable, Comparable {
    package var microseconds: Int64
    package init(microseconds: Int64) { self.microseconds = microseconds }
    package init(milliseconds: Int64) { microseconds = milliseconds * 1000 }
    package var milliseconds: Int64 { microseconds / 1000 }
    package static func < (left: Instant, right: Instant) -> Bool { left.microseconds < right.microseconds }
}
