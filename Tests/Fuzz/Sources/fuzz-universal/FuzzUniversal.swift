import CloudflareWire
import FuzzDriver
import GatewayCore
import NIOCore
import WireFormats

private let account = "0123456789abcdef0123456789abcdef"

/// The head that a universal request comes with.
private let outer: RequestHead = {
    var buffer = ByteBuffer(
        string: "POST /v1/\(account)/gate HTTP/1.1\r\nHost: localhost\r\nUser-Agent: fuzz/1\r\n"
            + "cf-aig-cache-ttl: 60\r\nAuthorization: Bearer outer\r\n\r\n")
    var parser = RequestParser()
    guard let head = try? parser.parse(&buffer) else { preconditionFailure("the outer head cannot be read") }
    return head
}()

/// A step is a whole request of its own, and nothing in it can pass for more than that.
private func check(_ step: UniversalStep, at index: Int) {
    precondition(step.index == index)
    precondition(step.body.withUnsafeReadableBytes { JSONScan.validate($0) }, "a query that is not JSON")
    precondition(step.head.framing == .length(step.body.readableBytes), "a query of another length than announced")
    precondition(step.head.version == .http11 && step.head.text(step.head.method) == "POST")
    step.head.withBytes { bytes in
        precondition(bytes.suffix(4).elementsEqual([0x0d, 0x0a, 0x0d, 0x0a]), "bytes behind the head")
        let address = Address(bytes, target: step.head.target)
        precondition(address.surface == .native || address.surface == .compat)
        precondition(step.head.text(address.account) == account && step.head.text(address.gateway) == "gate")
        precondition(step.head.text(address.provider) == step.provider, "a step that addresses somebody else")
    }
    let fields = step.head.fields
    precondition(fields.first?.kind == .host && fields.last?.kind == .contentLength)
    for kind in [FieldKind.host, .contentLength, .contentType, .userAgent, .authorization] {
        precondition(fields.reduce(0) { $0 + ($1.kind == kind ? 1 : 0) } <= 1, "a field twice")
    }
    for kind in [FieldKind.transferEncoding, .connection, .keepAlive, .te, .trailer, .upgrade, .expect] {
        precondition(!fields.contains { $0.kind == kind }, "a field that is the connection's")
    }
    precondition(fields.contains { $0.kind == .contentType })
    precondition(fields.count <= UniversalBody.headerLimit + 5)
    _ = Directives.parse(step.head)
    if let count = step.config.maxAttempts { precondition(SettingValue.attemptsRange.contains(count)) }
    if let delay = step.config.retryDelay { precondition(delay >= .zero && delay <= .seconds(60)) }
    if let timeout = step.config.requestTimeout { precondition(timeout > .zero && timeout <= .seconds(86_400)) }
}

@main
enum FuzzUniversal: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        let body = ByteBuffer(bytes: input)
        let address = outer.withBytes { Address($0, target: outer.target) }
        do throws(GatewayError) {
            let steps = try UniversalBody.parse(body, under: outer, at: address)
            precondition((1...UniversalBody.stepLimit).contains(steps.count))
            for (index, step) in steps.enumerated() { check(step, at: index) }
        } catch {
            precondition(error.kind == .invalidRequestBody || error.kind == .invalidProvider)
            precondition(error.origin == .client)
        }
    }
}
