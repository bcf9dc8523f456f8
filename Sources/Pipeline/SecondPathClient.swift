import GatewayCore
import NIOCore

/// Carries out calls of a provider some of whose paths have two spellings: asks for the second one, once, where it does
/// not know the first (providers.md §1.2).
@WorkerLoop
final class SecondPathClient: UpstreamClient {
    private let client: any UpstreamClient
    private let target: String
    private let environment: WorkerEnvironment

    /// - Parameter target: the second request target, path and query.
    init(_ client: any UpstreamClient, _ target: String, _ environment: WorkerEnvironment) {
        self.client = client
        self.target = target
        self.environment = environment
    }

    func send(_ request: UpstreamRequest, cancel: CancelHook) async throws(GatewayError) -> any UpstreamReply {
        let started = environment.clock.monotonic
        let reply = try await client.send(request, cancel: cancel)
        guard reply.head.status == 404, request.body.canReplay, request.body.state != .failed else { return reply }
        // Now: the client may go on sending, and the start of a body could be dropped.
        request.body.rewind {}
        reply.cancel()
        var second = request
        second.head = WrittenHead(request.head).asking(target).bytes
        if let limit = request.firstByteTimeout {
            second.firstByteTimeout = max(limit - (environment.clock.monotonic - started), .zero)
        }
        return try await client.send(second, cancel: cancel)
    }
}
