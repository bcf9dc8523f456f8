import CloudflareWire
import FuzzDriver
import GatewayCore
import NIOCore
import WireFormats

/// The parts of an address, put together again, are the target's path.
private func check(_ address: Address, _ head: RequestHead, _ bytes: UnsafeRawBufferPointer) {
    let path = head.target.lowerBound..<(address.query.map { $0.lowerBound - 1 } ?? head.target.upperBound)
    precondition(path.lowerBound <= path.upperBound && path.upperBound <= head.target.upperBound)
    if let query = address.query {
        precondition(query.upperBound == head.target.upperBound && bytes[query.lowerBound - 1] == 0x3f)
    }
    precondition(!bytes[path].contains(0x3f), "a question mark in a path")
    let parts = [address.account, address.gateway, address.provider, address.rest]
    for part in parts {
        precondition(part.isEmpty || (path.contains(part.lowerBound) && part.upperBound <= path.upperBound))
    }
    for segment in parts.dropLast() { precondition(!bytes[segment].contains(0x2f), "a slash in a segment") }
    let text = parts.map { head.text($0) }
    let whole = head.text(path)
    switch address.surface {
    case .native, .compat:
        let start = "/v1/\(text[0])/\(text[1])/\(text[2])"
        precondition(whole == start + "/" + text[3] || (whole == start && text[3].isEmpty))
        precondition((address.surface == .compat) == (text[2] == "compat"))
    case .universal:
        let start = "/v1/\(text[0])/\(text[1])"
        precondition(whole == start || whole == start + "/")
    case .health: precondition(whole == "/healthz")
    case .readiness: precondition(whole == "/readyz")
    case .elsewhere: break
    }
}

/// Whatever stood in the headers, what is taken over is in range.
private func check(_ asked: Directives, _ head: RequestHead) {
    if let range = asked.authorization {
        precondition(!range.isEmpty)
        precondition(
            head.fields.contains { $0.value.lowerBound <= range.lowerBound && range.upperBound <= $0.value.upperBound })
    }
    if let seconds = asked.cacheTTL { precondition(seconds == 0 || SettingValue.cacheTTLRange.contains(seconds)) }
    if let key = asked.cacheKey { precondition(!key.isEmpty && key.utf8.count <= Directives.cacheKeyLimit) }
    if let event = asked.eventID { precondition(!event.isEmpty && event.utf8.count <= Directives.eventIDLimit) }
    if let alias = asked.byokAlias { precondition(!alias.rawValue.isEmpty) }
    if let count = asked.maxAttempts { precondition(SettingValue.attemptsRange.contains(count)) }
    if let delay = asked.retryDelay { precondition(delay >= .zero && delay <= .seconds(60)) }
    if let timeout = asked.requestTimeout { precondition(timeout > .zero && timeout <= .seconds(86_400)) }
    for (id, digits) in [(asked.traceID, 32), (asked.parentSpanID, 16)] {
        guard let id else { continue }
        precondition(id.utf8.count == digits && id.allSatisfy { $0.isHexDigit && !$0.isUppercase })
    }
    if let metadata = asked.metadata { check(metadata: metadata) }
    let isPlain = asked == Directives() || asked.hasSettings || asked.authorization != nil
    precondition(isPlain, "something was asked for, and nobody would look")
}

/// What is kept of metadata is a small flat object, and sanitizing it again changes nothing.
private func check(metadata: String) {
    var text = metadata
    text.withUTF8 { utf8 in
        let bytes = UnsafeRawBufferPointer(utf8)
        precondition(JSONScan.validate(bytes))
        var count = 0
        JSONView(bytes).forEachMember { key, value in
            count += 1
            precondition(!key.hasPrefix(Metadata.reservedPrefix))
            precondition(value.kind == .string || value.kind == .number || value.kind == .bool)
        }
        precondition((1...Metadata.entryLimit).contains(count))
        precondition(Metadata.sanitize(bytes) == metadata, "sanitizing is not idempotent")
    }
}

private func check(_ head: RequestHead) {
    head.withBytes { bytes in
        let address = Address(bytes, target: head.target)
        check(address, head, bytes)
        check(Directives.parse(head), head)
        for field in head.fields {
            if Directives.hasGatewayPrefix(bytes, field.name) {
                precondition(ForwardedFields.isWithheld(bytes, field), "a gateway header reaches the provider")
                precondition(ForwardedFields.isWithheldFromClient(bytes, field))
            }
            for part in [Credential.withoutBearer(bytes, field.value), Credential.withoutScheme(bytes, field.value)] {
                guard let part else { continue }
                precondition(!part.isEmpty && part.lowerBound >= field.value.lowerBound)
                precondition(part.upperBound == field.value.upperBound)
            }
        }
        _ = ForwardedFields.connectionOptions(head)
        if let query = address.query {
            for (name, _) in QueryPairs.credentials(in: head.text(query)) {
                precondition(QueryPairs.credentialNames.contains(name))
            }
        }
    }
}

@main
enum FuzzRequest: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        var buffer = ByteBuffer(bytes: input)
        // Most of what is tried shall be a whole head.
        buffer.writeString("\r\n\r\n")
        var parser = RequestParser(limits: HTTP1Limits(headBytes: 8_192, fields: 50))
        if let head = try? parser.parse(&buffer) { check(head) }
    }
}
