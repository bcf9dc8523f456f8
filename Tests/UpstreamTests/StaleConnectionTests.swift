import GatewayCore
import NIOCore
import TestKit
import Testing

@testable import Upstream

@Suite("Stale connections", .timeLimit(.minutes(1)))
struct StaleConnectionTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    /// A caller with one idle connection, and the provider's end of it.
    @WorkerLoop
    private func warm(_ provider: ScriptedProvider) async throws -> (Caller, Peer) {
        let caller = try Caller()
        let call = caller.start(.get(provider.origin()))
        let peer = await provider.accept()
        _ = try await peer.head()
        peer.send(Self.ok)
        let sink = RecordingSink()
        try await call.value.relay(to: sink)
        await sink.ended()
        return (caller, peer)
    }

    @Test("a kept connection that ends before a byte of an answer is replaced once, body included")
    func retriedOnce() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let (caller, stale) = try await warm(provider)
            let call = caller.start(.post(provider.origin(), text: "payload"))
            _ = try await stale.head()
            try stale.reset()
            let fresh = await provider.accept()
            _ = try await fresh.head()
            #expect(try await fresh.bytes(7) == "payload")
            fresh.send(Self.ok)
            let reply = try await call.value
            #expect(reply.head.status == 200)
            #expect(caller.observer.retried == 1)
            reply.cancel()
            provider.stop()
        }
    }

    @Test("the replacement is not replaced again")
    func notTwice() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let (caller, stale) = try await warm(provider)
            let call = caller.start(.get(provider.origin()))
            _ = try await stale.head()
            stale.close()
            let fresh = await provider.accept()
            _ = try await fresh.head()
            fresh.close()
            let error = await failure(of: call)
            #expect(error?.kind == .providerUnreachable && error?.origin == .provider && error?.retry == .always)
            #expect(provider.accepted == 2)
            #expect(caller.observer.retried == 1)
            provider.stop()
        }
    }

    @Test("once a byte of an answer has come, nothing is repeated")
    func notAfterAByte() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let (caller, stale) = try await warm(provider)
            let call = caller.start(.get(provider.origin()))
            _ = try await stale.head()
            stale.send("HTTP/1.1 2")
            stale.close()
            let error = await failure(of: call)
            #expect(error?.kind == .providerUnreachable)
            #expect(caller.observer.retried == 0 && provider.accepted == 1)
            provider.stop()
        }
    }

    @Test("a new connection is not replaced")
    func notWhenFresh() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.close()
            let error = await failure(of: call)
            #expect(error?.retry == .always)
            #expect(caller.observer.retried == 0 && provider.accepted == 1)
            provider.stop()
        }
    }

    @Test("a body whose start is gone is not repeated, and the error says why that may help")
    func notWithoutReplay() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let (caller, stale) = try await warm(provider)
            let body = RequestBody(replayLimit: 4)
            let call = caller.start(.post(provider.origin(), body, framing: .chunked))
            _ = try await stale.head()
            body.append(ByteBuffer(string: "longer than four"))
            _ = try await stale.bytes(16)
            stale.close()
            let error = await failure(of: call)
            #expect(error?.retry == .ifConnectionWasReused)
            #expect(caller.observer.retried == 0)
            provider.stop()
        }
    }

    @Test("what comes while the replacement is being opened does not push the start of the body out")
    func bodyGrowsMeanwhile() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let observer = RetryWitness()
            let upstream = try PooledUpstream(loop: TestLoop.loop, settings: UpstreamSettings(), observer: observer)
            let first = Task { @WorkerLoop in
                try await upstream.reply(to: .get(provider.origin()), cancel: CancelHook())
            }
            let stale = await provider.accept()
            _ = try await stale.head()
            stale.send(Self.ok)
            let sink = RecordingSink()
            try await first.value.relay(to: sink)
            await sink.ended()

            let body = RequestBody(replayLimit: 4)
            observer.onRetry = {
                body.append(ByteBuffer(string: "defgh"))
                body.finish()
            }
            let request = UpstreamRequest.post(provider.origin(), body, framing: .chunked)
            let second = Task { @WorkerLoop in try await upstream.reply(to: request, cancel: CancelHook()) }
            _ = try await stale.head()
            body.append(ByteBuffer(string: "abc"))
            #expect(try await stale.bytes(8) == "3\r\nabc\r\n")
            stale.close()
            let fresh = await provider.accept()
            _ = try await fresh.head()
            #expect(try await fresh.bytes(23) == "3\r\nabc\r\n5\r\ndefgh\r\n0\r\n\r\n")
            fresh.send(Self.ok)
            #expect(try await second.value.head.status == 200)
            provider.stop()
        }
    }
}

/// Acts at the moment when a stale connection is given up.
@WorkerLoop
private final class RetryWitness: Observer {
    var onRetry: (@WorkerLoop () -> Void)?

    func record(_ observation: Observation) {
        if case .upstreamRetriedStale = observation { onRetry?() }
    }
}
