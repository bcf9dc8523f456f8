import GatewayCore
import NIOCore
import TestKit
import Upstream

/// A client under test with its observer.
@WorkerLoop
struct Caller {
    let upstream: PooledUpstream
    let observer = RecordingObserver()

    init(_ change: (inout UpstreamSettings) -> Void = { _ in }, names: [String: String] = [:]) throws {
        var settings = UpstreamSettings()
        change(&settings)
        let resolver = HostResolver(loop: TestLoop.loop, lifetime: .seconds(30)) { host in
            guard let address = names[host] else { return .failure(ResolutionFailure(reason: "unknown name")) }
            return SystemLookup.addresses(of: address, allowing: .addressesOnly)
        }
        upstream = try PooledUpstream(
            loop: TestLoop.loop, settings: settings, observer: observer, resolver: resolver
        )
    }

    /// Starts a call and returns what waits for its head.
    func start(_ request: UpstreamRequest, cancel: CancelHook = CancelHook()) -> Task<ProviderReply, any Error> {
        Task { @WorkerLoop in try await upstream.reply(to: request, cancel: cancel) }
    }
}

extension PooledUpstream {
    struct UnknownReply: Error {}

    /// `send`, with the reply as what it is here, so that it can leave a task.
    func reply(to request: UpstreamRequest, cancel: CancelHook) async throws -> ProviderReply {
        guard let reply = try await send(request, cancel: cancel) as? ProviderReply else { throw UnknownReply() }
        return reply
    }
}

extension UpstreamRequest {
    /// `GET path` without a body.
    @WorkerLoop
    static func get(_ origin: Origin, path: String = "/") -> UpstreamRequest {
        UpstreamRequest(
            origin: origin, head: ByteBuffer(string: "GET \(path) HTTP/1.1\r\nHost: \(origin.authority)\r\n\r\n"),
            framing: .none, body: RequestBody(complete: ByteBuffer())
        )
    }

    /// `POST /` with a body of the given framing.
    @WorkerLoop
    static func post(_ origin: Origin, _ body: RequestBody, framing: BodyFraming) -> UpstreamRequest {
        let field: String =
            switch framing {
            case .length(let count): "Content-Length: \(count)\r\n"
            case .chunked: "Transfer-Encoding: chunked\r\n"
            case .none, .untilClose: ""
            }
        return UpstreamRequest(
            origin: origin,
            head: ByteBuffer(string: "POST / HTTP/1.1\r\nHost: \(origin.authority)\r\n\(field)\r\n"),
            framing: framing, body: body
        )
    }

    @WorkerLoop
    static func post(_ origin: Origin, text: String) -> UpstreamRequest {
        .post(origin, RequestBody(complete: ByteBuffer(string: text)), framing: .length(text.utf8.count))
    }
}

/// The error of a call that must not succeed.
@WorkerLoop
func failure(of call: Task<ProviderReply, any Error>) async -> GatewayError? {
    do {
        _ = try await call.value
        return nil
    } catch {
        return error as? GatewayError
    }
}
