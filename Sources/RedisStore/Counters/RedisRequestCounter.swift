package import GatewayCore

/// Counts requests per gateway and UTC day in Redis, so that all nodes together have one figure.
///
/// Requests are added up in memory and sent once a second, pipelined. While Redis is away the counts are lost: nothing
/// that bills depends on them.
@WorkerLoop
package final class RedisRequestCounter: RequestCounter {
    private struct Place: Hashable {
        var account: AccountID
        var gateway: GatewayID
    }

    private let connection: RedisConnection
    private let clock: any WallClock
    private let timers: any Timers
    private let interval: Duration
    private var counts: [Place: Int] = [:]
    /// The gateway counted last and its count since then, which spares the hash of the common case.
    private var recent: (place: Place, count: Int)?
    private var isFlushScheduled = false

    package init(
        _ connection: RedisConnection, clock: any WallClock, timers: any Timers, every interval: Duration = .seconds(1)
    ) {
        self.connection = connection
        self.clock = clock
        self.timers = timers
        self.interval = interval
    }

    package func count(_ gateway: GatewayID, of account: AccountID) {
        if let last = recent, last.place.gateway == gateway, last.place.account == account {
            recent = (last.place, last.count + 1)
        } else {
            settleRecent()
            recent = (Place(account: account, gateway: gateway), 1)
        }
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        timers.after(interval) { [weak self] in self?.flush() }
    }

    /// Sends what was counted since the last time; also called when the worker stops.
    package func flush() {
        isFlushScheduled = false
        settleRecent()
        let day = CalendarDay(clock.now)
        for (place, count) in counts {
            let key = Keys(place.account, place.gateway).requests(on: day)
            connection.send(RedisCommand("INCRBY", key, String(count))) { _ in }
            connection.send(RedisCommand("EXPIRE", key, String(Keys.requestsLifetime))) { _ in }
        }
        counts.removeAll(keepingCapacity: true)
    }

    private func settleRecent() {
        guard let last = recent else { return }
        counts[last.place, default: 0] += last.count
        recent = nil
    }
}
