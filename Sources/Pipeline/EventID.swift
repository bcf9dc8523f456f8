import GatewayCore

/// What ties the log entries of one request together: what its client says, or else the request's own id.
enum EventID {
    case given(String)
    case request(LogID)

    /// Bytes of its text.
    var length: Int {
        switch self {
        case .given(let text): text.utf8.count
        case .request: LogID.encodedLength
        }
    }

    func write(into out: inout RawWriter) {
        switch self {
        case .given(let text): out.write(text)
        case .request(let id): id.write(into: &out)
        }
    }

    func write(_ field: RecordField, into out: inout RecordEncoder) {
        switch self {
        case .given(let text): out.write(field, text)
        case .request(let id): id.withEncoded { out.write(field, $0) }
        }
    }
}
