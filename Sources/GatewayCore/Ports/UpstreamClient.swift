package import NIOCore

/// Where a provider is reached: the unit of connection pooling.
package struct Origin: Hashable, Sendable, CustomStringConvertible {
    package enum Scheme: String, Sendable { case http, https }
    package var scheme: Scheme
    /// A DNS name or an address; IPv6 without brackets.
    ///
    /// Lower case.
    package var host: String
    package var port: Int

    package init(scheme: Scheme, host: String, port: Int? = nil) {
        self.scheme = scheme
        self.host = host
        self.port = port ?? (scheme == .https ? 443 : 80)
    }

    /// The value of a `Host` header: the port is left out where it is the scheme's own.
    package var authority: String {
        let name = host.utf8.contains(0x3a) ? "[\(host)]" : host
        return port == (scheme == .https ? 443 : 80) ? name : "\(name):\(port)"
    }
    package var description: String { "\(scheme.rawValue)://\(authority)" }
}

/// Which resolved addresses a connection may go to.
package enum EgressRule: Sendable, Hashable {
    /// Providers whose address the operator chose.
    case anyAddress
    /// Addresses that came from a tenant: public ones only, unless `egress.allow_private_addresses`.
    case publicAddressesOnly
}

/// One call of a provider.
package struct UpstreamRequest: Sendable {
    package var origin: Origin
    /// The whole head in HTTP/1.1 form, `Host` and body framing included, through the empty line.
    package var head: ByteBuffer
    package var isHeadMethod: Bool
    /// The framing that `head` announces for the body: `.none`, `.length` or `.chunked`.
    package var framing: BodyFraming
    package var body: RequestBody
    package var egress: EgressRule
    package var connectTimeout: Duration
    /// From the call to the first byte of the answer; nil: no limit.
    package var firstByteTimeout: Duration?
    /// Without a byte in either direction for this long the connection is closed.
    package var idleTimeout: Duration

    package init(
        origin: Origin, head: ByteBuffer, isHeadMethod: Bool = false, framing: BodyFraming, body: RequestBody,
        egress: EgressRule = .anyAddress, connectTimeout: Duration = .seconds(10), firstByteTimeout: Duration? = nil,
        idleTimeout: Duration = .seconds(600)
    ) {
        self.origin = origin
        self.head = head
        self.isHeadMethod = isHeadMethod
        self.framing = framing
        self.body = body
        self.egress = egress
        self.connectTimeout = connectTimeout
        self.firstByteTimeout = firstByteTimeout
        self.idleTimeout = idleTimeout
    }
}

/// Calls providers over pooled connections.
///
/// HTTP/1.1 now; HTTP/2 will implement the same port and read `UpstreamRequest.head` through the head parser.
@WorkerLoop
package protocol UpstreamClient: AnyObject, Sendable {
    /// Sends one request and returns when the final response head is there (1xx are skipped).
    ///
    /// A kept-alive connection that turns out to be stale (closed before any byte of an answer) is replaced once,
    /// when the body can be replayed. Cancelling through `cancel` closes the connection and throws.
    func send(_ request: UpstreamRequest, cancel: CancelHook) async throws(GatewayError) -> any UpstreamReply

    /// The same with a callback, which is called exactly once, perhaps at once.
    func send(
        _ request: UpstreamRequest, cancel: CancelHook,
        _ then: @escaping @WorkerLoop (Result<any UpstreamReply, GatewayError>) -> Void
    )
}

extension UpstreamClient {
    package func send(
        _ request: UpstreamRequest, cancel: CancelHook,
        _ then: @escaping @WorkerLoop (Result<any UpstreamReply, GatewayError>) -> Void
    ) {
        WorkerLoop.start {
            let result: Result<any UpstreamReply, GatewayError>
            do throws(GatewayError) {
                result = .success(try await self.send(request, cancel: cancel))
            } catch {
                result = .failure(error)
            }
            then(result)
        }
    }
}

/// A provider's answer whose head has arrived.
@WorkerLoop
package protocol UpstreamReply: AnyObject, Sendable {
    var head: ResponseHead { get }
    /// Starts delivery of the body; nothing is read beyond what came with the head before this call.
    func relay(to sink: any ReplySink)
    /// Stops or resumes reading from the provider.
    func setReading(_ reading: Bool)
    /// Gives the answer up; the connection is closed unless the answer was complete.
    func cancel()
    /// Ends the answer with `.requestTimedOut` when its provider sends nothing for so long while it is read from.
    ///
    /// - Units: seconds are counted; one that has begun is granted in full.
    func limitSilence(to limit: Duration)
}

extension UpstreamReply {
    /// What has no provider at its other end is never silent.
    package func limitSilence(to limit: Duration) {}
}

/// Receives a provider's answer body.
@WorkerLoop
package protocol ReplySink: AnyObject {
    /// Payload bytes, in order, before the `receive` that carries them; valid during the call only.
    func observe(_ payload: UnsafeRawBufferPointer)
    /// Bytes as they came, body framing (chunk heads) included; `isLast` when the body is complete with them.
    func receive(_ raw: ByteBuffer, isLast: Bool)
    /// The answer broke off; nothing follows.
    func fail(_ error: GatewayError)
}

/// Lets one party stop what another waits for, without task cancellation.
@WorkerLoop
package final class CancelHook {
    package private(set) var isCancelled = false
    private var action: (@WorkerLoop () -> Void)?
    package nonisolated init() {}

    /// Sets what `cancel` does; nil when there is nothing to cancel.
    ///
    /// Runs at once if already cancelled.
    package func onCancel(_ action: (@WorkerLoop () -> Void)?) {
        self.action = action
        if isCancelled, let action {
            self.action = nil
            action()
        }
    }

    package func cancel() {
        guard !isCancelled else { return }
        isCancelled = true
        let action = action
        self.action = nil
        action?()
    }
}
