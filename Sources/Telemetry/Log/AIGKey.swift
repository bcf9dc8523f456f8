package import Logging

/// The names of facts in log lines: the only place that spells them.
package enum AIGKey: String, CaseIterable, Sendable {
    case logID = "aig.log_id"
    case requestType = "aig.request_type"
    case provider = "aig.provider"
    case status = "aig.status"
    case errorCode = "aig.error_code"
    case streamed = "aig.streamed"
    case cached = "aig.cached"
    case duration = "aig.duration_ms"
    case firstByte = "aig.first_byte_ms"
    case bytesIn = "aig.bytes_in"
    case bytesOut = "aig.bytes_out"
    case tokensIn = "aig.tokens_in"
    case tokensOut = "aig.tokens_out"
    case detail = "aig.detail"
    case slot = "aig.slot"
    case version = "aig.version"
    case gateways = "aig.gateways"
    case reason = "aig.reason"
    case store = "aig.store"
    case origin = "aig.origin"
}

extension Logger.Metadata {
    package subscript(key: AIGKey) -> Logger.MetadataValue? {
        get { self[key.rawValue] }
        set { self[key.rawValue] = newValue }
    }
}
