import GatewayCore

/// The span of time that conditions on `created_at` leave, in microseconds since 1970.
struct LogSpan: Sendable, Equatable {
    /// The first microsecond inside; nil: no bound.
    private(set) var start: Int64?
    /// The first microsecond after it; nil: no bound.
    private(set) var end: Int64?

    static let hour: Int64 = 3_600_000_000

    init() {}

    /// Nil for conditions that are no bounds, for example several instants or a null.
    init?(_ conditions: [LogCondition]) {
        for condition in conditions {
            guard condition.values.count == 1, case .instant(let instant) = condition.values[0] else { return nil }
            switch condition.operation {
            case .atLeast: raise(to: instant.microseconds)
            case .greater: raise(to: Self.end(of: instant.microseconds))
            case .less: lower(to: instant.microseconds)
            case .atMost: lower(to: Self.end(of: instant.microseconds))
            case .equal:
                raise(to: instant.microseconds)
                lower(to: Self.end(of: instant.microseconds))
            case .notEqual, .contains: return nil
            }
        }
    }

    /// The first microsecond after what an instant stands for: its whole millisecond, unless it is told more exactly.
    ///
    /// Entries are shown to the millisecond and stored to the microsecond; whoever asks for a time that was shown means
    /// the entry.
    static func end(of instant: Int64) -> Int64 {
        let (end, overflow) = instant.addingReportingOverflow(instant % 1000 == 0 ? 1000 : 1)
        return overflow ? .max : end
    }

    private mutating func raise(to bound: Int64) { start = max(start ?? .min, bound) }
    private mutating func lower(to bound: Int64) { end = min(end ?? .max, bound) }

    /// Whole hours inside, as their first and the one after the last; nil bounds are open.
    var wholeHours: (from: Int64?, to: Int64?) {
        (start.map { Self.roundedUp($0) }, end.map { Self.rounded($0) })
    }

    /// The parts of hours at either end that `wholeHours` leaves out.
    var edges: [Range<Int64>] {
        let whole = wholeHours
        let first = whole.from ?? .min
        let last = whole.to ?? .max
        if let start, let end, start >= end { return [] }
        // Both ends inside of one hour.
        if let start, let end, last < first { return [start..<end] }
        var edges: [Range<Int64>] = []
        if let start, start < first { edges.append(start..<first) }
        if let end, last < end { edges.append(last..<end) }
        return edges
    }

    /// The hour that an instant is in.
    static func rounded(_ instant: Int64) -> Int64 {
        let rest = instant % hour
        return instant - (rest < 0 ? rest + hour : rest)
    }

    private static func roundedUp(_ instant: Int64) -> Int64 {
        let down = rounded(instant)
        return down == instant ? down : down + hour
    }
}

extension Instant {
    /// The microsecond after it: bounds that are ours are exact to one.
    var next: Instant { Instant(microseconds: microseconds == .max ? .max : microseconds + 1) }
}
