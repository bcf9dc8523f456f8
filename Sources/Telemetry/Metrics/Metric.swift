import GatewayCore

/// The cells of one worker with a single value: the index in the scoreboard, and what `/metrics` calls it.
///
/// Indexes are fixed: workers of two releases share a scoreboard during an upgrade. New ones are added at the end.
enum Metric: Int, CaseIterable {
    case workerStarts = 0
    case connectionsAccepted = 1
    case connectionsOpen = 2
    case requestsMalformed = 3
    case upstreamConnectionsNew = 4
    case upstreamConnectionsReused = 5
    case upstreamFailures = 6
    case upstreamRetriesStale = 7
    case recordsSpooled = 8
    case recordsSpooledBytes = 9
    case snapshotVersion = 10
    case snapshotGateways = 11
    case snapshotsRejected = 12
    case controlConnected = 13
    case controlLosses = 14
    case draining = 15
    case requestsCached = 16
    case requestsStreamed = 17
    case requestBytes = 18
    case responseBytes = 19
    case tokensIn = 20
    case tokensOut = 21
    case upstreamRetries = 22

    enum Kind: String { case counter, gauge }

    var kind: Kind {
        switch self {
        case .connectionsOpen, .snapshotVersion, .snapshotGateways, .controlConnected, .draining: .gauge
        default: .counter
        }
    }

    var name: String {
        switch self {
        case .workerStarts: "aig_worker_starts_total"
        case .connectionsAccepted: "aig_connections_accepted_total"
        case .connectionsOpen: "aig_connections_open"
        case .requestsMalformed: "aig_requests_malformed_total"
        case .upstreamConnectionsNew: "aig_upstream_connections_opened_total"
        case .upstreamConnectionsReused: "aig_upstream_connections_reused_total"
        case .upstreamFailures: "aig_upstream_failures_total"
        case .upstreamRetriesStale: "aig_upstream_stale_retries_total"
        case .upstreamRetries: "aig_upstream_retries_total"
        case .recordsSpooled: "aig_log_records_spooled_total"
        case .recordsSpooledBytes: "aig_log_records_spooled_bytes_total"
        case .snapshotVersion: "aig_snapshot_version"
        case .snapshotGateways: "aig_snapshot_gateways"
        case .snapshotsRejected: "aig_snapshots_rejected_total"
        case .controlConnected: "aig_control_connected"
        case .controlLosses: "aig_control_losses_total"
        case .draining: "aig_worker_draining"
        case .requestsCached: "aig_requests_cached_total"
        case .requestsStreamed: "aig_requests_streamed_total"
        case .requestBytes: "aig_request_bytes_total"
        case .responseBytes: "aig_response_bytes_total"
        case .tokensIn: "aig_input_tokens_total"
        case .tokensOut: "aig_output_tokens_total"
        }
    }

    var help: String {
        switch self {
        case .workerStarts: "Workers started in this slot."
        case .connectionsAccepted: "Client connections taken over from the front."
        case .connectionsOpen: "Client connections open now."
        case .requestsMalformed: "Connections closed because their bytes were no acceptable HTTP."
        case .upstreamConnectionsNew: "Connections opened to providers."
        case .upstreamConnectionsReused: "Requests sent over a kept connection to a provider."
        case .upstreamFailures: "Attempts to reach a provider that failed."
        case .upstreamRetriesStale: "Requests sent again because a kept connection had gone."
        case .upstreamRetries: "Provider calls tried again after a failure, as asked."
        case .recordsSpooled: "Log records written to the spool."
        case .recordsSpooledBytes: "Bytes of log records written to the spool."
        case .snapshotVersion: "Version of the configuration in force."
        case .snapshotGateways: "Gateways in the configuration in force."
        case .snapshotsRejected: "Configurations that could not be read."
        case .controlConnected: "1 while the worker is connected to control."
        case .controlLosses: "Times the connection to control was lost."
        case .draining: "1 while the worker only finishes what it has."
        case .requestsCached: "Requests answered from the cache."
        case .requestsStreamed: "Requests answered as a stream of events."
        case .requestBytes: "Bytes of request bodies."
        case .responseBytes: "Bytes of response bodies."
        case .tokensIn: "Prompt tokens reported by providers."
        case .tokensOut: "Generated tokens reported by providers."
        }
    }
}
