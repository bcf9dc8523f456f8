import GatewayCore
import Providers

extension StreamKind {
    /// How an answer can be read for usage, by its own head.
    init(of head: ResponseHead) {
        guard !head.fields.contains(where: { $0.kind == .contentEncoding }), head.framing != .none,
            let type = head.value(.contentType)?.prefix(while: { $0 != ";" }).lowercased()
        else {
            self = .other
            return
        }
        if type.hasPrefix("text/event-stream") {
            self = .sse
        } else if type.hasPrefix("application/json") || type.hasSuffix("+json") {
            self = .whole
        } else {
            self = .other
        }
    }
}

extension Attempt {
    /// The reader for this call's answer, already told what the head says.
    func usageReader(for stream: StreamKind, _ head: ResponseHead) -> UsageReader? {
        let format = provider.usageFormat(path: target.path)
        var reader = UsageReader(format: format, streamed: stream)
        for name in format.wantedHeaders {
            if let value = head.value(named: name) { reader.note(header: name.description, value: value) }
        }
        if stream == .other, format.wantedHeaders.isEmpty { return nil }
        return reader
    }
}
