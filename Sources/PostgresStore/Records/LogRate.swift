/// How many entries each gateway's log was given in each second: what is beyond a limit is not kept.
///
/// Seconds are those in which requests ended, so that a node which catches up with its spool keeps what it would have
/// kept at the time. Counted are the last two minutes of each gateway; a record that comes later begins its second anew.
///
/// - Source: control-plane §4.8 · documented (500 in a second); that it is counted on each node is our own choice.
package struct LogRate: Sendable {
    private struct Second: Sendable {
        var number: Int64 = .min
        var entries = 0
    }

    /// Seconds that are remembered of each gateway.
    private static let memory = 128
    /// Gateways that are remembered; with more of them all begin anew.
    private static let gatewayLimit = 10_000

    private let limit: Int
    private var seconds: [[Second]] = []
    private var indices: [String: Int] = [:]

    /// - Parameter limit: entries of one gateway in one second; zero: any number.
    package init(limit: Int) { self.limit = limit }

    /// Forgets gateways when they are too many; their places are no longer valid then.
    mutating func makeRoom() {
        guard indices.count >= Self.gatewayLimit else { return }
        seconds.removeAll()
        indices.removeAll()
    }

    /// The place of a gateway, valid until `makeRoom`.
    mutating func place(of gateway: String) -> Int {
        if limit == 0 { return 0 }
        if let index = indices[gateway] { return index }
        indices[gateway] = seconds.count
        seconds.append(Array(repeating: Second(), count: Self.memory))
        return seconds.count - 1
    }

    /// Counts an entry; whether the log takes it.
    mutating func admit(_ place: Int, endedAt microseconds: Int64) -> Bool {
        if limit == 0 { return true }
        let number = microseconds / 1_000_000
        let slot = Int(truncatingIfNeeded: UInt64(bitPattern: number) % UInt64(Self.memory))
        if seconds[place][slot].number != number { seconds[place][slot] = Second(number: number) }
        guard seconds[place][slot].entries < limit else { return false }
        seconds[place][slot].entries += 1
        return true
    }
}
