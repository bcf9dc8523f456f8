import GatewayCore

/// Decides which observations change which cells.
@WorkerLoop
final class MetricPolicy {
    private let cells: any MetricCells
    private var labels: ProviderLabels
    private var connectionsOpen: UInt64 = 0

    init(cells: any MetricCells, providers: [String]) {
        self.cells = cells
        labels = ProviderLabels(providers)
    }

    func apply(_ observation: Observation) {
        switch observation {
        case .workerStarted:
            add(.workerStarts)
            connectionsOpen = 0
            for gauge in Metric.allCases where gauge.kind == .gauge { set(gauge, 0) }
        case .workerDraining: set(.draining, 1)
        case .workerStopped: set(.draining, 0)
        case .snapshotLoaded(let version, let gateways):
            set(.snapshotVersion, version)
            set(.snapshotGateways, UInt64(max(gateways, 0)))
        case .snapshotRejected: add(.snapshotsRejected)
        case .controlLost:
            add(.controlLosses)
            set(.controlConnected, 0)
        case .controlConnected: set(.controlConnected, 1)
        case .storeAvailable(let store): cells.set(MetricFamily.available(store), 1)
        case .storeUnavailable(let store, _):
            cells.set(MetricFamily.available(store), 0)
            cells.add(MetricFamily.losses(store), 1)
        case .storeRefused: break
        case .connectionAccepted:
            add(.connectionsAccepted)
            connectionsOpen += 1
            set(.connectionsOpen, connectionsOpen)
        case .connectionClosed:
            if connectionsOpen > 0 { connectionsOpen -= 1 }
            set(.connectionsOpen, connectionsOpen)
        case .requestMalformed: add(.requestsMalformed)
        case .requestFinished(let request): count(request)
        case .upstreamConnected(let reused): add(reused ? .upstreamConnectionsReused : .upstreamConnectionsNew)
        case .upstreamFailed: add(.upstreamFailures)
        case .upstreamRetriedStale: add(.upstreamRetriesStale)
        case .upstreamRetried: add(.upstreamRetries)
        case .recordDropped(let reason): cells.add(MetricFamily.dropped(reason), 1)
        case .recordSpooled(let bytes):
            add(.recordsSpooled)
            add(.recordsSpooledBytes, UInt64(max(bytes, 0)))
        }
    }

    private func count(_ request: RequestSummary) {
        cells.add(MetricFamily.request(type: request.requestType, status: request.status), 1)
        let provider = labels.place(of: request.provider)
        cells.add(MetricFamily.provider(provider, status: request.status), 1)
        if let code = request.errorCode { cells.add(MetricFamily.error(code), 1) }
        if request.cached { add(.requestsCached) }
        if request.streamed { add(.requestsStreamed) }
        add(.requestBytes, UInt64(max(request.bytesIn, 0)))
        add(.responseBytes, UInt64(max(request.bytesOut, 0)))
        if let tokens = request.tokensIn { add(.tokensIn, UInt64(max(tokens, 0))) }
        if let tokens = request.tokensOut { add(.tokensOut, UInt64(max(tokens, 0))) }
        let durations = request.streamed ? MetricFamily.streamDuration : MetricFamily.wholeDuration
        Histogram(first: durations).record(request.duration, in: cells)
        if let firstByte = request.firstByte { Histogram(first: MetricFamily.firstByte).record(firstByte, in: cells) }
    }

    private func add(_ metric: Metric, _ amount: UInt64 = 1) { cells.add(metric.rawValue, amount) }
    private func set(_ metric: Metric, _ value: UInt64) { cells.set(metric.rawValue, value) }
}
