import GatewayCore
import NIOCore
import WireFormats

/// Reads one object of a universal body; valid only while the body's bytes are.
struct UniversalStepReader {
    private static let members: [StaticString] = [
        "provider", "endpoint", "headers", "query", "config", "authorization",
    ]

    private let index: Int
    /// See `UniversalStep.provider`.
    let provider: String
    private let endpoint: String
    /// The raw text of `query`.
    let query: UnsafeRawBufferPointer
    private let headers: JSONView?
    private let configuration: JSONView?
    private let authorization: String?

    init(_ object: JSONView, index: Int) throws(GatewayError) {
        self.index = index
        guard object.kind == .object, let found = JSONScan.topLevel(object.bytes, wanted: Self.members) else {
            throw UniversalBody.malformed("step \(index) must be an object")
        }
        guard !found.hasDuplicate else { throw UniversalBody.malformed("step \(index) has a member twice") }
        func member(_ place: Int) -> JSONView? {
            guard let range = found[place] else { return nil }
            let view = JSONView(UnsafeRawBufferPointer(rebasing: object.bytes[range]))
            return view.isNull ? nil : view
        }
        func text(_ place: Int) throws(GatewayError) -> String? {
            guard let view = member(place) else { return nil }
            guard let text = view.string else { throw Self.malformed(index, Self.members[place], "must be a string") }
            return text
        }
        guard let named = try text(0), !named.isEmpty else { throw Self.malformed(index, "provider", "is missing") }
        guard let provider = Self.segment(named) else {
            throw GatewayError(.invalidProvider, origin: .client, detail: "step \(index): not a provider's name")
        }
        self.provider = provider
        guard let path = try text(1) else { throw Self.malformed(index, "endpoint", "is missing") }
        guard path.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && $0 != 0x23 }) else {
            throw Self.malformed(index, "endpoint", "has a character that cannot stand in a URL")
        }
        endpoint = path.utf8.first == 0x2f ? String(path.dropFirst()) : path
        // `null` is a JSON value and may be what the provider wants.
        guard let query = found[3] else { throw Self.malformed(index, "query", "is missing") }
        self.query = UnsafeRawBufferPointer(rebasing: object.bytes[query])
        headers = member(2)
        if let headers, headers.kind != .object { throw Self.malformed(index, "headers", "must be an object") }
        configuration = member(4)
        if let configuration, configuration.kind != .object {
            throw Self.malformed(index, "config", "must be an object")
        }
        authorization = try text(5)
        if let authorization, !Self.isFieldValue(authorization) {
            throw Self.malformed(index, "authorization", "has a character that cannot stand in a header")
        }
    }

    func malformed(_ member: StaticString, _ what: String) -> GatewayError {
        Self.malformed(index, member, what)
    }

    private static func malformed(_ index: Int, _ member: StaticString, _ what: String) -> GatewayError {
        UniversalBody.malformed("\"\(member)\" of step \(index) \(what)")
    }

    /// A provider's name as it stands in URLs; nil when it cannot be one.
    private static func segment(_ name: String) -> String? {
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x2d, 0x5f, 0x2e: true  // digits, letters, - _ .
            default: false
            }
        }
        guard isPlain, name.utf8.count <= 128, name != ".", name != ".." else { return nil }
        let lower = name.lowercased()
        let own = "custom-"
        return lower.hasPrefix(own) ? own + name.dropFirst(own.utf8.count) : lower
    }
}

// MARK: Head

extension UniversalStepReader {
    private struct Field {
        var name: String
        var value: String
    }

    /// The step as the head of a request of its own.
    func head(under outer: RequestHead, at address: Address, bodyLength: Int) throws(GatewayError) -> RequestHead {
        let fields = try ownFields()
        var buffer = ByteBuffer()
        buffer.reserveCapacity(fields.reduce(512) { $0 + $1.name.utf8.count + $1.value.utf8.count + 4 })
        let target = "/v1/\(outer.text(address.account))/\(outer.text(address.gateway))/\(provider)/\(endpoint)"
        HeadWriter.requestLine("POST", target, into: &buffer)
        // Never passed on: a provider gets its own host.
        HeadWriter.field("Host", "universal", into: &buffer)
        for field in fields { HeadWriter.field(named: field.name, field.value, into: &buffer) }
        func isAbsent(_ name: String) -> Bool { !fields.contains { $0.name.lowercased() == name } }
        if isAbsent("content-type") { HeadWriter.field("Content-Type", "application/json", into: &buffer) }
        if let authorization, isAbsent("authorization") {
            HeadWriter.field("Authorization", authorization, into: &buffer)
        }
        if isAbsent("user-agent"), let field = outer.fields.first(where: { $0.kind == .userAgent }) {
            HeadWriter.copy(field, of: outer, into: &buffer)
        }
        HeadWriter.field("Content-Length", number: bodyLength, into: &buffer)
        HeadWriter.endOfHead(into: &buffer)
        var parser = RequestParser()
        do throws(HTTP1Error) {
            guard let head = try parser.parse(&buffer) else { throw HTTP1Error.unexpectedEnd }
            return head
        } catch {
            throw UniversalBody.malformed("step \(index) makes no acceptable request: \(error.reason)")
        }
    }

    /// The fields of `headers` that may stand in a request; of a name that occurs twice the first one.
    private func ownFields() throws(GatewayError) -> [Field] {
        guard let headers else { return [] }
        var fields: [Field] = []
        var names: Set<String> = []
        var failure: GatewayError?
        var count = 0
        headers.forEachMember { name, view in
            count += 1
            guard failure == nil, count <= UniversalBody.headerLimit else { return }
            guard Self.isToken(name) else {
                failure = malformed("headers", "has a name that cannot be a header's")
                return
            }
            let value: String
            switch view.kind {
            case .null: return
            case .string: value = view.string ?? ""
            case .number, .bool: value = String(decoding: view.bytes, as: UTF8.self)
            case .object, .array, .invalid:
                failure = malformed("headers", "has a value that is no string")
                return
            }
            guard Self.isFieldValue(value) else {
                failure = malformed("headers", "has a value with a character that cannot stand in a header")
                return
            }
            if !Self.belongsToConnection(name), names.insert(name.lowercased()).inserted {
                fields.append(Field(name: name, value: value))
            }
        }
        if let failure { throw failure }
        guard count <= UniversalBody.headerLimit else {
            throw malformed("headers", "has more than \(UniversalBody.headerLimit) entries")
        }
        return fields
    }

    /// Whether a field is about framing or one connection, which the gateway arranges by itself.
    private static func belongsToConnection(_ name: String) -> Bool {
        var name = name
        let kind = name.withUTF8 { utf8 in
            utf8.baseAddress.map { FieldKind(name: $0, count: utf8.count) } ?? .other
        }
        return switch kind {
        case .contentLength, .transferEncoding, .connection, .keepAlive, .te, .trailer, .upgrade, .proxyPrefixed,
            .expect, .host:
            true
        case .other, .contentType, .contentEncoding, .acceptEncoding, .userAgent, .setCookie, .date, .server,
            .authorization:
            false
        }
    }

    /// Token characters only (RFC 9110 §5.6.2), at least one.
    private static func isToken(_ name: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e...0x60,
                    0x7c, 0x7e:
                    true
                default: false
                }
            }
    }

    /// No control character but HTAB (RFC 9110 §5.5).
    private static func isFieldValue(_ value: String) -> Bool {
        value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    }
}

// MARK: Config

extension UniversalStepReader {
    /// The step's `config`; numbers may be written as strings.
    func config(within bounds: SettingBounds) -> StepConfig {
        var config = StepConfig()
        guard let configuration else { return config }
        func number(_ name: StaticString) -> Int? {
            guard let view = configuration.member(name) else { return nil }
            if view.kind == .number { return view.int.flatMap { $0 >= 0 ? $0 : nil } }
            guard var text = view.string else { return nil }
            return text.withUTF8 { SettingValue.number(UnsafeRawBufferPointer($0)) }
        }
        config.requestTimeout = number("requestTimeout").flatMap(SettingValue.timeout)
        config.maxAttempts = number("maxAttempts").map { SettingValue.attempts($0, bounds) }
        config.retryDelay = number("retryDelay").map { SettingValue.retryDelay($0, bounds) }
        if var text = configuration.member("backoff")?.string {
            config.backoff = text.withUTF8 { SettingValue.backoff(UnsafeRawBufferPointer($0)) }
        }
        return config
    }
}
