package import GatewayCore
package import Logging

/// Turns a worker's observations into log lines and metrics.
///
/// A request that leaves no line costs a few additions in shared memory.
@WorkerLoop
package final class WorkerTelemetry: Observer {
    private let metrics: MetricPolicy
    private let lines: LogPolicy
    private let logger: Logger

    /// - Parameters:
    ///   - cells: the counters of this worker's slot in the scoreboard.
    ///   - providers: slugs that get a label of their own; `MetricText.render` has to be given the same list.
    package init(cells: any MetricCells, providers: [String], logger: Logger, accessLog: AccessLogPolicy) {
        metrics = MetricPolicy(cells: cells, providers: providers)
        lines = LogPolicy(accessLog: accessLog)
        self.logger = logger
    }

    package func record(_ observation: Observation) {
        metrics.apply(observation)
        guard let level = lines.level(of: observation), level >= logger.logLevel else { return }
        logger.log(
            level: level, "\(lines.message(of: observation))", metadata: lines.metadata(of: observation),
            source: "aigatewayd"
        )
    }
}
