import GatewayCore
import NIOCore
import Providers

extension StreamKind {
    /// How an answer can be read for usage, by its own head.
    init(of head: ResponseHead) {
        self = .other
        guard head.framing != .none else { return }
        var type: FieldSlice?
        for field in head.fields {
            if field.kind == .contentEncoding { return }
            if field.kind == .contentType, type == nil { type = field }
        }
        guard let type else { return }
        self = head.withBytes { bytes in
            let value = type.value
            func begins(_ text: StaticString) -> Bool {
                let length = text.utf8CodeUnitCount
                guard value.count >= length, text.matches(bytes, value.lowerBound..<value.lowerBound + length) else {
                    return false
                }
                guard value.count > length else { return true }
                let next = bytes[value.lowerBound + length]
                return next == 0x3b || next == 0x20
            }
            if begins("application/json") { return .whole }
            if begins("text/event-stream") { return .sse }
            if begins("application/vnd.amazon.eventstream") { return .eventStream }
            let media = UnsafeRawBufferPointer(rebasing: bytes[value]).prefix { $0 != 0x3b }
            let suffix: StaticString = "+json"
            guard media.count > suffix.utf8CodeUnitCount else { return .other }
            let end = value.lowerBound + media.count
            return suffix.matches(bytes, end - suffix.utf8CodeUnitCount..<end) ? .whole : .other
        }
    }
}

extension Attempt {
    /// The reader for this call's answer, already told what the head says.
    @WorkerLoop
    func usageReader(for stream: StreamKind, _ head: ResponseHead) -> UsageReader? {
        let format = route.usageFormat
        let wanted = format.wantedHeaders
        if stream == .other, wanted.isEmpty, !format.readsRequest { return nil }
        let reader = UsageReader(format: format, streamed: stream)
        if format.readsRequest || format.readsQuery, (200..<300).contains(head.status) { note(in: reader, format) }
        for name in wanted {
            if let value = head.value(named: name) { reader.note(header: name.description, value: value) }
        }
        return reader
    }

    /// What the request says where answers do not: what is spoken, and by which model.
    @WorkerLoop
    private func note(in reader: UsageReader, _ format: UsageFormat) {
        let query = route.target.query
        guard format.readsRequest, let body = request.body.copy else {
            return reader.note(request: nil, query: query)
        }
        body.withUnsafeReadableBytes { reader.note(request: $0, query: query) }
    }
}
