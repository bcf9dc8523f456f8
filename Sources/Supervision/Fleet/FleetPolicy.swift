import ProcessRuntime

/// The times and bounds the fleet lives by.
package struct FleetPolicy: Sendable {
    /// A child that lived this long and then died is started again at once.
    package var stableAfter: Duration = .seconds(10)
    package var firstBackOff: Duration = .milliseconds(100)
    package var longestBackOff: Duration = .seconds(10)
    /// This many deaths before being ready, within `crashLoopWindow`, are a crash loop.
    package var crashLoopDeaths = 8
    package var crashLoopWindow: Duration = .seconds(60)
    /// An embedded store that does not accept connections by then is a failed start.
    package var storeStartLimit: Duration = .seconds(60)
    /// Longest wait for the streams of an outgoing worker; nil: as long as they take (`workers.drain_timeout`).
    package var drainLimit: Duration?
    /// Longest wait for control to ship the spool, beyond control's own patience; the rest stays on disk.
    package var controlDrainLimit: Duration = .seconds(90)
    /// Longest wait for a store to shut down.
    package var storeStopLimit: Duration = .seconds(30)
    /// Longest wait for a child that was told to stop, and for a front that was told to stop accepting.
    package var stopLimit: Duration = .seconds(5)
    /// Two generations of workers must fit into the scoreboard.
    package static let mostWorkers = Scoreboard.slots / 2

    package init() {}

    /// How long a child waits before its next start, after `deaths` short lives in a row.
    package func backOff(afterQuickDeaths deaths: Int) -> Duration {
        guard deaths > 1 else { return .zero }
        let doublings = min(deaths - 2, 20)
        return min(longestBackOff, firstBackOff * (1 << doublings))
    }
}
