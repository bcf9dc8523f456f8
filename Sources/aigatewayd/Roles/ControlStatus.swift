import AdminAPI
import ControlPlane
import GatewayCore
import PostgresStore
import ProcessRuntime
import Providers
import Telemetry

/// What control tells about the node: `/readyz` and `/metrics` of the control port.
struct ControlStatus: Sendable {
    private let pool: PostgresPool
    private let compiler: SnapshotCompiler
    private let drain: SpoolDrain
    private let exports: ExportRunner
    private let file: SnapshotFile
    private let declarations: DeclarationKeeper?
    private let scoreboard = Scoreboard()

    init(
        pool: PostgresPool, compiler: SnapshotCompiler, drain: SpoolDrain, exports: ExportRunner, file: SnapshotFile,
        declarations: DeclarationKeeper?
    ) {
        self.pool = pool
        self.compiler = compiler
        self.drain = drain
        self.exports = exports
        self.file = file
        self.declarations = declarations
    }

    private var slots: [Slot] {
        guard let scoreboard else { return [] }
        return (0..<Scoreboard.slots).map { scoreboard.slot($0) }.filter { $0.state != .gone }
    }

    func health() async -> HealthReport {
        let slots = slots
        let version = await compiler.version
        let hasSnapshot = version != nil || slots.contains { $0.snapshotVersion > 0 } || file.load() != nil
        let postgres = pool.health
        var dependencies: [HealthReport.Dependency] = [
            .init(
                name: "postgres", state: postgres.isAvailable ? "available" : "unavailable", since: postgres.since,
                problem: postgres.problem
            ),
            redis(slots),
        ]
        // Without what is wrong: that names gateways and paths, and who asks here has no token. The process log has it.
        if let declared = await declarations?.status {
            dependencies.append(.init(name: "declarations", state: declared.state.rawValue, since: declared.since))
        }
        return HealthReport(
            status: hasSnapshot ? .ready : .noSnapshot, snapshot: version, dependencies: dependencies,
            workers: slots.map { slot in
                .init(
                    number: slot.number, state: "\(slot.state)", processID: Int(slot.processID),
                    snapshot: slot.snapshotVersion, connections: slot.connections
                )
            }
        )
    }

    /// Redis as the workers see it: unavailable as soon as one of them cannot reach it.
    private func redis(_ slots: [Slot]) -> HealthReport.Dependency {
        let known = slots.filter { $0.redisState != .unknown }
        let state: Slot.StoreState =
            known.isEmpty ? .unknown : known.contains { $0.redisState == .unavailable } ? .unavailable : .available
        let since = known.filter { $0.redisState == state }.map(\.redisSince).max()
        return .init(name: "redis", state: "\(state)", since: since)
    }

    func metrics() async -> String {
        let statistics = await drain.statistics
        let exported = await exports.statistics
        var samples = [
            MetricSample(
                "aig_log_records_stored_total", .counter, "Log records written to the database.",
                value: Double(statistics.stored)
            ),
            MetricSample(
                "aig_log_records_rejected_total", .counter,
                "Log records that the database refused, kept aside on disk.",
                value: Double(statistics.rejected)
            ),
            MetricSample(
                "aig_log_records_lost_total", .counter, "Refused log records that could not be kept aside.",
                value: Double(statistics.lost)
            ),
            MetricSample(
                "aig_log_records_dropped_total", .counter, "Log records that could not be kept.",
                labels: [("worker", "control"), ("reason", "rate")], value: Double(statistics.dropped)
            ),
            MetricSample(
                "aig_log_records_refused_total", .counter,
                "Log records that were not written because their gateway's log is full.",
                value: Double(statistics.refused)
            ),
            MetricSample(
                "aig_spool_backlog_bytes", .gauge, "Bytes of settled records that wait for the database.",
                value: Double(await drain.backlogBytes)
            ),
            MetricSample(
                "aig_exported_requests_total", .counter, "Requests that exporters and Logpush jobs took.",
                value: Double(exported.delivered)
            ),
            MetricSample(
                "aig_export_failures_total", .counter, "Deliveries that failed and are tried again.",
                value: Double(exported.failures)
            ),
            MetricSample(
                "aig_export_refused_total", .counter, "Requests that their receiver refused for good.",
                value: Double(exported.refused)
            ),
            MetricSample(
                "aig_database_available", .gauge, "1 while PostgreSQL answers control.",
                value: pool.health.isAvailable ? 1 : 0
            ),
        ]
        if let declared = await declarations?.status {
            samples.append(
                MetricSample(
                    "aig_declarations_in_force", .gauge, "1 while the file of declarations is applied as it was read.",
                    value: declared.state == .applied ? 1 : 0
                )
            )
        }
        if let version = await compiler.version {
            samples.append(
                MetricSample(
                    "aig_control_snapshot_version", .gauge, "Version of the snapshot that control handed on last.",
                    value: Double(version)
                )
            )
        }
        let cells =
            scoreboard.map { board in
                (0..<Scoreboard.slots).map { (slot: $0, cells: board.slot($0).counters as any MetricCells) }
            } ?? []
        let used = cells.filter { entry in slots.contains { $0.number == entry.slot } }
        return MetricText.render(workers: used, providers: ProviderRegistry.builtIn.slugs, samples: samples)
    }
}
