import GatewayCore
import Logging

/// Decides which observations become log lines, how loud, and with which facts.
struct LogPolicy {
    let accessLog: AccessLogPolicy

    /// The level of a line for `observation`; nil when there is none.
    ///
    /// Costs nothing but the switch.
    func level(of observation: Observation) -> Logger.Level? {
        switch observation {
        case .workerStarted, .workerDraining, .workerStopped, .controlConnected, .storeAvailable: .notice
        case .snapshotLoaded: .info
        case .snapshotRejected: .error
        case .controlLost, .storeUnavailable, .storeRefused, .recordDropped: .warning
        case .requestFinished: accessLog == .on ? .info : nil
        case .requestMalformed, .upstreamFailed: .info
        case .upstreamRetriedStale, .upstreamRetried: .debug
        case .connectionAccepted, .connectionClosed, .upstreamConnected: .trace
        case .recordSpooled: nil
        }
    }

    /// The constant message of a line.
    func message(of observation: Observation) -> StaticString {
        switch observation {
        case .workerStarted: "worker started"
        case .workerDraining: "worker drains"
        case .workerStopped: "worker stopped"
        case .snapshotLoaded: "configuration loaded"
        case .snapshotRejected: "configuration rejected, the last good one stays"
        case .controlLost: "connection to control lost"
        case .controlConnected: "connected to control"
        case .storeAvailable: "store available"
        case .storeUnavailable: "store unavailable"
        case .storeRefused: "store refused an operation"
        case .connectionAccepted: "connection accepted"
        case .connectionClosed: "connection closed"
        case .requestMalformed: "malformed request"
        case .requestFinished: "request"
        case .upstreamConnected: "upstream connection taken"
        case .upstreamFailed: "upstream failed"
        case .upstreamRetriedStale: "stale upstream connection, tried again"
        case .upstreamRetried: "provider call failed, tried again"
        case .recordDropped: "log record dropped"
        case .recordSpooled: "log record spooled"
        }
    }

    /// The facts of a line.
    func metadata(of observation: Observation) -> Logger.Metadata {
        var facts: Logger.Metadata = [:]
        switch observation {
        case .workerDraining, .workerStopped, .controlLost, .controlConnected, .connectionAccepted, .connectionClosed,
            .upstreamRetriedStale:
            break
        case .workerStarted(let slot): facts[.slot] = "\(slot)"
        case .snapshotLoaded(let version, let gateways):
            facts[.version] = "\(version)"
            facts[.gateways] = "\(gateways)"
        case .snapshotRejected(let reason), .requestMalformed(let reason): facts[.reason] = "\(reason)"
        case .storeAvailable(let store): facts[.store] = "\(store.rawValue)"
        case .storeUnavailable(let store, let reason), .storeRefused(let store, let reason):
            facts[.store] = "\(store.rawValue)"
            facts[.reason] = "\(reason)"
        case .requestFinished(let request): Self.add(request, to: &facts)
        case .upstreamConnected(let reused): facts[.reason] = reused ? "reused" : "new"
        case .upstreamRetried(let provider, let reason):
            facts[.provider] = "\(provider)"
            facts[.reason] = "\(reason)"
        case .upstreamFailed(let origin, let reason):
            facts[.origin] = "\(origin)"
            facts[.reason] = "\(reason)"
        case .recordDropped(let reason): facts[.reason] = "\(reason.rawValue)"
        case .recordSpooled(let bytes): facts[.bytesOut] = "\(bytes)"
        }
        return facts
    }

    private static func add(_ request: RequestSummary, to facts: inout Logger.Metadata) {
        if let id = request.logID { facts[.logID] = "\(id)" }
        facts[.requestType] = "\(request.requestType)"
        facts[.provider] = "\(request.provider)"
        facts[.status] = "\(request.status)"
        if let code = request.errorCode { facts[.errorCode] = "\(code)" }
        facts[.streamed] = "\(request.streamed)"
        facts[.cached] = "\(request.cached)"
        facts[.duration] = "\(milliseconds(request.duration))"
        if let firstByte = request.firstByte { facts[.firstByte] = "\(milliseconds(firstByte))" }
        facts[.bytesIn] = "\(request.bytesIn)"
        facts[.bytesOut] = "\(request.bytesOut)"
        if let tokens = request.tokensIn { facts[.tokensIn] = "\(tokens)" }
        if let tokens = request.tokensOut { facts[.tokensOut] = "\(tokens)" }
        if let detail = request.detail { facts[.detail] = "\(detail)" }
    }

    private static func milliseconds(_ duration: Duration) -> Double {
        Double(duration.wholeMicroseconds) / 1000
    }
}
