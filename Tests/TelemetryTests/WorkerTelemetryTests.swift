import GatewayCore
import Logging
import Telemetry
import TestKit
import Testing

@Suite("Observations become lines and figures")
struct WorkerTelemetryTests {
    private static func request(_ status: Int = 200, provider: ProviderID = "openai") -> RequestSummary {
        var request = RequestSummary(
            requestType: "compat", provider: provider, status: status, duration: .milliseconds(42))
        request.logID = LogID("01JADCV0YR0000000000000000")
        request.firstByte = .microseconds(1500)
        request.bytesIn = 100
        request.bytesOut = 2000
        request.tokensIn = 7
        request.tokensOut = 11
        return request
    }

    @Test("a request leaves a line only when the access log is on")
    func accessLog() async {
        await TestLoop.run {
            let quiet = KeptLines()
            WorkerTelemetry(cells: Cells(), providers: [], logger: Logger(label: "t") { _ in quiet }, accessLog: .off)
                .record(.requestFinished(Self.request()))
            #expect(quiet.lines.isEmpty)
            let loud = KeptLines()
            WorkerTelemetry(cells: Cells(), providers: [], logger: Logger(label: "t") { _ in loud }, accessLog: .on)
                .record(.requestFinished(Self.request()))
            #expect(
                loud.lines == [
                    KeptLines.Line(
                        level: .info, message: "request",
                        metadata: [
                            "aig.log_id": "01JADCV0YR0000000000000000", "aig.request_type": "compat",
                            "aig.provider": "openai", "aig.status": "200", "aig.streamed": "false",
                            "aig.cached": "false", "aig.duration_ms": "42.0", "aig.first_byte_ms": "1.5",
                            "aig.bytes_in": "100", "aig.bytes_out": "2000", "aig.tokens_in": "7",
                            "aig.tokens_out": "11",
                        ]
                    )
                ])
        }
    }

    @Test("what an operator has to act on is loud, lifecycle is noted, traffic is silent")
    func levels() async {
        await TestLoop.run {
            let handler = KeptLines(level: .trace)
            let telemetry = WorkerTelemetry(
                cells: Cells(), providers: [], logger: Logger(label: "t") { _ in handler }, accessLog: .off
            )
            let expected: [(Observation, Logger.Level?)] = [
                (.workerStarted(slot: 1), .notice), (.workerDraining, .notice), (.workerStopped, .notice),
                (.snapshotLoaded(version: 3, gateways: 2), .info), (.snapshotRejected(reason: "x"), .error),
                (.controlLost, .warning), (.controlConnected, .notice), (.storeAvailable(.redis), .notice),
                (.storeUnavailable(.postgres, reason: "x"), .warning),
                (.storeRefused(.redis, reason: "x"), .warning), (.connectionAccepted, .trace),
                (.connectionClosed, .trace), (.requestMalformed(reason: "x"), .info),
                (.requestFinished(Self.request()), nil), (.upstreamConnected(reused: true), .trace),
                (.upstreamFailed(origin: "h", reason: "x"), .info), (.upstreamRetriedStale, .debug),
                (.recordDropped(reason: .spoolFull), .warning), (.recordSpooled(bytes: 5), nil),
            ]
            for (observation, _) in expected { telemetry.record(observation) }
            #expect(handler.lines.map(\.level) == expected.compactMap(\.1))
            #expect(Set(handler.lines.map(\.message)).count == handler.lines.count)
        }
    }

    @Test("the figures of a worker are shown under its slot, in Prometheus' format")
    func metrics() async {
        await TestLoop.run {
            let cells = Cells()
            let telemetry = WorkerTelemetry(
                cells: cells, providers: ["openai", "anthropic"],
                logger: Logger(label: "t") { _ in KeptLines(level: .critical) }, accessLog: .off
            )
            telemetry.record(.workerStarted(slot: 3))
            telemetry.record(.connectionAccepted)
            telemetry.record(.connectionAccepted)
            telemetry.record(.connectionClosed)
            telemetry.record(.requestFinished(Self.request()))
            telemetry.record(.requestFinished(Self.request(404, provider: "custom-acme")))
            var streamed = Self.request(429, provider: "no-such")
            streamed.streamed = true
            streamed.errorCode = 2003
            streamed.duration = .seconds(400)
            telemetry.record(.requestFinished(streamed))
            telemetry.record(.recordDropped(reason: .spoolFull))
            telemetry.record(.recordSpooled(bytes: 1200))
            telemetry.record(.snapshotLoaded(version: 9, gateways: 4))
            telemetry.record(.storeAvailable(.redis))
            telemetry.record(.storeUnavailable(.postgres, reason: "x"))
            telemetry.record(.controlConnected)
            let text = MetricText.render(
                workers: [(3, cells), (4, Cells())], providers: ["openai", "anthropic"],
                samples: [
                    MetricSample("aig_spool_waiting_bytes", .gauge, "Waiting.", value: 12.5),
                    MetricSample(
                        "aig_log_records_dropped_total", .counter, "Log records that could not be kept.",
                        labels: [("worker", "control"), ("reason", "rejected")], value: 2),
                ]
            )
            let lines = Set(text.split(separator: "\n").map(String.init))
            for line in [
                "# TYPE aig_connections_open gauge", "aig_connections_open{worker=\"3\"} 1",
                "aig_connections_open{worker=\"4\"} 0", "aig_connections_accepted_total{worker=\"3\"} 2",
                "aig_requests_total{worker=\"3\",type=\"compat\",status=\"2xx\"} 1",
                "aig_requests_total{worker=\"3\",type=\"compat\",status=\"4xx\"} 2",
                "aig_provider_requests_total{worker=\"3\",provider=\"openai\",status=\"2xx\"} 1",
                "aig_provider_requests_total{worker=\"3\",provider=\"custom\",status=\"4xx\"} 1",
                "aig_provider_requests_total{worker=\"3\",provider=\"other\",status=\"4xx\"} 1",
                "aig_request_errors_total{worker=\"3\",code=\"2003\"} 1",
                "aig_log_records_dropped_total{worker=\"3\",reason=\"spool_full\"} 1",
                "aig_log_records_dropped_total{worker=\"3\",reason=\"write_failed\"} 0",
                "aig_log_records_dropped_total{worker=\"control\",reason=\"rejected\"} 2",
                "aig_log_records_spooled_bytes_total{worker=\"3\"} 1200", "aig_snapshot_version{worker=\"3\"} 9",
                "aig_snapshot_gateways{worker=\"3\"} 4", "aig_store_available{worker=\"3\",store=\"redis\"} 1",
                "aig_store_available{worker=\"3\",store=\"postgres\"} 0",
                "aig_store_losses_total{worker=\"3\",store=\"postgres\"} 1", "aig_control_connected{worker=\"3\"} 1",
                "aig_input_tokens_total{worker=\"3\"} 21", "aig_response_bytes_total{worker=\"3\"} 6000",
                "# TYPE aig_request_duration_seconds histogram",
                "aig_request_duration_seconds_bucket{worker=\"3\",answer=\"whole\",le=\"0.025\"} 0",
                "aig_request_duration_seconds_bucket{worker=\"3\",answer=\"whole\",le=\"0.05\"} 2",
                "aig_request_duration_seconds_bucket{worker=\"3\",answer=\"whole\",le=\"+Inf\"} 2",
                "aig_request_duration_seconds_sum{worker=\"3\",answer=\"whole\"} 0.084",
                "aig_request_duration_seconds_count{worker=\"3\",answer=\"whole\"} 2",
                "aig_request_duration_seconds_bucket{worker=\"3\",answer=\"stream\",le=\"300\"} 0",
                "aig_request_duration_seconds_bucket{worker=\"3\",answer=\"stream\",le=\"+Inf\"} 1",
                "aig_first_byte_seconds_bucket{worker=\"3\",le=\"0.001\"} 0",
                "aig_first_byte_seconds_bucket{worker=\"3\",le=\"0.0025\"} 3", "aig_spool_waiting_bytes 12.5",
            ] {
                #expect(lines.contains(line), "\(line)")
            }
            Self.expectWellFormed(text)
        }
    }

    /// Every family has its head once, before its lines, and its lines stand together.
    private static func expectWellFormed(_ text: String) {
        var seen: Set<String> = []
        var family = ""
        for line in text.split(separator: "\n") {
            if line.hasPrefix("# HELP ") {
                family = String(line.split(separator: " ")[2])
                #expect(seen.insert(family).inserted, "\(family) twice")
            } else if line.hasPrefix("# TYPE ") {
                #expect(line.hasPrefix("# TYPE \(family) "))
            } else {
                #expect(line.hasPrefix(family), "\(line) stands under \(family)")
                #expect(line.split(separator: " ").count == 2, "\(line)")
            }
        }
        #expect(text.hasSuffix("\n"))
    }

    @Test("a worker that starts in a slot takes over the counters but not the gauges of the one before")
    func restart() async {
        await TestLoop.run {
            let cells = Cells()
            let logger = Logger(label: "t") { _ in KeptLines(level: .critical) }
            let first = WorkerTelemetry(cells: cells, providers: [], logger: logger, accessLog: .off)
            first.record(.workerStarted(slot: 0))
            for _ in 0..<5 { first.record(.connectionAccepted) }
            let second = WorkerTelemetry(cells: cells, providers: [], logger: logger, accessLog: .off)
            second.record(.workerStarted(slot: 0))
            second.record(.connectionAccepted)
            let text = MetricText.render(workers: [(0, cells)], providers: [])
            #expect(text.contains("aig_connections_open{worker=\"0\"} 1\n"))
            #expect(text.contains("aig_connections_accepted_total{worker=\"0\"} 6\n"))
            #expect(text.contains("aig_worker_starts_total{worker=\"0\"} 2\n"))
        }
    }
}
