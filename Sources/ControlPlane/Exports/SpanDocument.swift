import GatewayCore
import NIOCore
import PostgresStore
import SecretVault

/// Settled requests as spans of OpenTelemetry, in either form of OTLP over HTTP.
///
/// - Source: OpenTelemetry Protocol 1.x, `ExportTraceServiceRequest` · documented; name, kind and attributes:
///   control-plane §16 · observed. The span, and the trace unless the caller named one, follow from ids of the log, so
///   that a span that is sent twice is one.
enum SpanDocument {
    /// Longer bodies are left out: receivers cut or refuse them.
    static let bodyLimit = 262_144

    enum Form: String, Sendable, CaseIterable {
        case json
        case protobuf

        var contentType: String { self == .json ? "application/json" : "application/x-protobuf" }
    }

    enum Value: Sendable, Equatable {
        case text(String)
        case integer(Int)
        case double(Double)
        case bool(Bool)
    }

    struct Span: Sendable, Equatable {
        /// 32 hexadecimal digits.
        var traceID: String
        /// 16 hexadecimal digits.
        var spanID: String
        /// 16 hexadecimal digits; nil: the span is the first of its trace.
        var parentSpanID: String?
        var startNanoseconds: UInt64
        var endNanoseconds: UInt64
        var attributes: [(name: String, value: Value)]
        var isError: Bool

        static func == (one: Span, other: Span) -> Bool {
            one.traceID == other.traceID && one.spanID == other.spanID && one.parentSpanID == other.parentSpanID
                && one.attributes.map(\.name) == other.attributes.map(\.name)
        }
    }

    static let name = "cf.aig.request"
    static let service = "ai-gateway"

    /// The span of a request.
    static func span(_ request: ExportedRequest, of account: AccountID) -> Span {
        let start = UInt64(max(0, request.createdAt.microseconds)) * 1000
        let (end, isTooLong) = start.addingReportingOverflow(UInt64(max(0, request.durationMicroseconds)) * 1000)
        let trace = identifier(request.traceID, digits: 32)
        return Span(
            traceID: trace
                ?? Hexadecimal.text(of: Digest.sha256("trace \(account) \(request.eventID)").prefix(16)),
            spanID: Hexadecimal.text(of: Digest.sha256("span \(request.id)").prefix(8)),
            // A span of a trace that nobody named is nobody's child.
            parentSpanID: trace == nil ? nil : identifier(request.parentSpanID, digits: 16),
            startNanoseconds: start, endNanoseconds: isTooLong ? start : end, attributes: attributes(of: request),
            isError: !request.success
        )
    }

    /// An id of that many hexadecimal digits in lower case; nil for anything else that a row may hold.
    private static func identifier(_ text: String?, digits: Int) -> String? {
        guard let text, text.utf8.count == digits,
            text.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return text
    }

    private static func attributes(of request: ExportedRequest) -> [(name: String, value: Value)] {
        var attributes: [(name: String, value: Value)] = []
        func add(_ name: String, _ value: Value?) { if let value { attributes.append((name, value)) } }
        add("gen_ai.operation.name", .text(request.modelType ?? "chat"))
        add("gen_ai.request.model", request.model.isEmpty ? nil : .text("\(request.provider)/\(request.model)"))
        // Both generations of names: the documented one and the one that is sent today.
        add("gen_ai.model.provider", .text(request.provider))
        add("gen_ai.provider.name", .text(request.provider))
        add("gen_ai.usage.input_tokens", request.tokensIn.map { .integer($0) })
        add("gen_ai.usage.output_tokens", request.tokensOut.map { .integer($0) })
        add("gen_ai.usage.cost", request.cost.flatMap { Double($0) }.map { .double($0) })
        for (body, names) in [
            (request.request, ["gen_ai.prompt_json", "gen_ai.input.messages"]),
            (request.response, ["gen_ai.completion_json", "gen_ai.output.messages"]),
        ] {
            guard let body, body.count <= bodyLimit, !body.isEmpty, let text = String(validating: body, as: UTF8.self)
            else { continue }
            for name in names { add(name, .text(text)) }
        }
        add("http.response.status_code", .integer(request.status))
        add("cf.aig.gateway", .text(request.gateway))
        add("cf.aig.log_id", .text(request.id))
        add("cf.aig.event_id", .text(request.eventID))
        add("cf.aig.cached", .bool(request.cached))
        add("cf.aig.step", .integer(request.step))
        add("cf.aig.error_code", request.errorCode.map { .integer($0) })
        let taken = Set(attributes.map(\.name))
        for entry in request.metadata.flatMap({ try? JSONValue(parsing: $0) })?.members ?? []
        where !entry.name.hasPrefix("gen_ai.") && !taken.contains(entry.name) && !entry.name.isEmpty {
            switch entry.value {
            case .string(let text): add(entry.name, .text(text))
            case .bool(let flag): add(entry.name, .bool(flag))
            case .number(let literal):
                add(entry.name, Int(literal).map { .integer($0) } ?? Double(literal).map { .double($0) })
            default: break
            }
        }
        return attributes
    }

    /// All spans of a batch in one request body.
    static func encode(_ spans: [Span], as form: Form) -> ByteBuffer {
        switch form {
        case .json: ByteBuffer(bytes: json(spans).bytes)
        case .protobuf: ByteBuffer(bytes: protobuf(spans))
        }
    }

    // MARK: JSON

    private static func json(_ spans: [Span]) -> JSONValue {
        let documents = spans.map { span -> JSONValue in
            var members = [
                JSONValue.Member("traceId", .string(span.traceID)), .init("spanId", .string(span.spanID)),
            ]
            if let parent = span.parentSpanID { members.append(.init("parentSpanId", .string(parent))) }
            members += [
                .init("name", .string(name)), .init("kind", 1),
                .init("startTimeUnixNano", .string(String(span.startNanoseconds))),
                .init("endTimeUnixNano", .string(String(span.endNanoseconds))),
                .init("attributes", .array(span.attributes.map { attribute($0.name, $0.value) })),
                .init("status", ["code": span.isError ? 2 : 1]),
            ]
            return .object(members)
        }
        return [
            "resourceSpans": [
                [
                    "resource": ["attributes": [attribute("service.name", .text(service))]],
                    "scopeSpans": [["scope": ["name": .string(service)], "spans": .array(documents)]],
                ]
            ]
        ]
    }

    private static func attribute(_ name: String, _ value: Value) -> JSONValue {
        let encoded: JSONValue =
            switch value {
            case .text(let text): ["stringValue": .string(text)]
            // 64-bit integers are text in the JSON form of protocol buffers.
            case .integer(let number): ["intValue": .string(String(number))]
            case .double(let number): ["doubleValue": .number(number.isFinite ? "\(number)" : "0")]
            case .bool(let flag): ["boolValue": .bool(flag)]
            }
        return ["key": .string(name), "value": encoded]
    }

    // MARK: Protocol buffers

    private static func protobuf(_ spans: [Span]) -> [UInt8] {
        var scope = ProtobufWriter()
        scope.message(1) { $0.text(1, service) }
        for span in spans {
            scope.message(2) { message in
                message.raw(1, hexadecimal(span.traceID))
                message.raw(2, hexadecimal(span.spanID))
                if let parent = span.parentSpanID { message.raw(4, hexadecimal(parent)) }
                message.text(5, name)
                message.number(6, 1)
                message.fixed(7, span.startNanoseconds)
                message.fixed(8, span.endNanoseconds)
                for attribute in span.attributes { message.message(9) { write(attribute.name, attribute.value, &$0) } }
                message.message(15) { $0.number(3, span.isError ? 2 : 1) }
            }
        }
        var request = ProtobufWriter()
        request.message(1) { resource in
            resource.message(1) { $0.message(1) { write("service.name", .text(service), &$0) } }
            resource.raw(2, scope.bytes)
        }
        return request.bytes
    }

    private static func write(_ name: String, _ value: Value, _ message: inout ProtobufWriter) {
        message.text(1, name)
        message.message(2) { encoded in
            switch value {
            case .text(let text): encoded.text(1, text)
            case .bool(let flag): encoded.number(2, flag ? 1 : 0)
            case .integer(let number): encoded.number(3, UInt64(bitPattern: Int64(number)))
            case .double(let number): encoded.fixed(4, number.bitPattern)
            }
        }
    }

    private static func hexadecimal(_ text: String) -> [UInt8] {
        let digits = text.utf8.map { $0 < 0x40 ? $0 - 0x30 : $0 - 0x57 }
        return stride(from: 0, to: digits.count - 1, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }
}

/// Writes fields in the wire format of protocol buffers.
struct ProtobufWriter {
    private(set) var bytes: [UInt8] = []

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(truncatingIfNeeded: rest))
    }

    mutating func number(_ field: Int, _ value: UInt64) {
        varint(UInt64(field) << 3)
        varint(value)
    }

    mutating func fixed(_ field: Int, _ value: UInt64) {
        varint(UInt64(field) << 3 | 1)
        for shift in stride(from: UInt64(0), to: 64, by: 8) { bytes.append(UInt8(truncatingIfNeeded: value >> shift)) }
    }

    mutating func raw(_ field: Int, _ value: [UInt8]) {
        varint(UInt64(field) << 3 | 2)
        varint(UInt64(value.count))
        bytes.append(contentsOf: value)
    }

    mutating func text(_ field: Int, _ value: String) { raw(field, Array(value.utf8)) }

    mutating func message(_ field: Int, _ body: (inout ProtobufWriter) -> Void) {
        var inner = ProtobufWriter()
        body(&inner)
        raw(field, inner.bytes)
    }
}
