import GatewayCore
import NIOCore
import TestKit
import Testing

@testable import Upstream

@Suite("Cancelling and deadlines", .timeLimit(.minutes(1)))
struct CancellationTests {
    @Test("cancelling before the answer closes the connection and ends the call")
    func beforeTheHead() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let hook = CancelHook()
            let call = caller.start(.get(provider.origin()), cancel: hook)
            let peer = await provider.accept()
            _ = try await peer.head()
            hook.cancel()
            await peer.closed()
            let error = await failure(of: call)
            #expect(error?.origin == .client && error?.retry == .never)
            #expect(caller.observer.failed.isEmpty)
            provider.stop()
        }
    }

    @Test("a hook that is cancelled already prevents the call")
    func beforeTheCall() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let hook = CancelHook()
            hook.cancel()
            let error = await failure(of: caller.start(.get(provider.origin()), cancel: hook))
            #expect(error?.origin == .client)
            #expect(provider.accepted == 0)
            provider.stop()
        }
    }

    @Test("cancelling while the name is looked up leaves nothing behind")
    func whileResolving() async throws {
        try await TestLoop.run {
            let started = Mailbox<Void>()
            let gate = Gate()
            let resolver = HostResolver(loop: TestLoop.loop, lifetime: .seconds(30)) { _ in
                TestLoop.loop.execute { WorkerLoop.onLoop { started.put(()) } }
                gate.wait()
                return SystemLookup.addresses(of: "127.0.0.1", allowing: .addressesOnly)
            }
            let upstream = try PooledUpstream(
                loop: TestLoop.loop, settings: UpstreamSettings(), observer: RecordingObserver(), resolver: resolver
            )
            let hook = CancelHook()
            let request = UpstreamRequest.get(Origin(scheme: .http, host: "slow.test", port: 1))
            let call = Task { @WorkerLoop in try await upstream.reply(to: request, cancel: hook) }
            await started.take()
            hook.cancel()
            let error = await failure(of: call)
            #expect(error?.origin == .client)
            gate.open()
            #expect(upstream.counts == .init(open: 0, idle: 0))
        }
    }

    @Test("cancelling during delivery closes the connection without another word", arguments: ["reply", "hook"])
    func duringDelivery(_ how: String) async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let hook = CancelHook()
            let call = caller.start(.get(provider.origin()), cancel: hook)
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            let reply = try await call.value
            let sink = RecordingSink()
            reply.relay(to: sink)
            await sink.received(3)
            if how == "reply" { reply.cancel() } else { hook.cancel() }
            await peer.closed()
            #expect(sink.lastCalls == 0 && sink.failures.isEmpty)
            #expect(caller.upstream.counts.open == 0)
            provider.stop()
        }
    }

    @Test("a reply given up before delivery keeps the connection when its body was there already")
    func givenUp() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            var call = caller.start(.get(provider.origin()))
            var peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 429 Slow down\r\nContent-Length: 2\r\n\r\nno")
            try await call.value.cancel()
            #expect(caller.upstream.counts == .init(open: 1, idle: 1))

            call = caller.start(.get(provider.origin()))
            _ = try await peer.head()
            peer.send("HTTP/1.1 429 Slow down\r\nContent-Length: 200\r\n\r\nno")
            try await call.value.cancel()
            await peer.closed()
            #expect(caller.upstream.counts == .init(open: 0, idle: 0))

            call = caller.start(.get(provider.origin()))
            peer = await provider.accept()
            _ = try await peer.head()
            peer.close()
            #expect(await failure(of: call) != nil)
            provider.stop()
        }
    }

    @Test("cancelling from within the delivery is safe")
    func withinDelivery() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc")
            let reply = try await call.value
            let sink = RecordingSink()
            sink.onReceive = { reply.cancel() }
            reply.relay(to: sink)
            await peer.closed()
            #expect(sink.count == 3 && sink.lastCalls == 0 && sink.failures.isEmpty)
            provider.stop()
        }
    }

    @Test("a provider that does not answer in time is cut off, also when it has sent half a head")
    func firstByteTimeout() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            for beginning in ["", "HTTP/1.1 200 OK\r\nConte", "HTTP/1.1 100 Continue\r\n\r\n"] {
                var request = UpstreamRequest.get(provider.origin())
                request.firstByteTimeout = .milliseconds(50)
                let call = caller.start(request)
                let peer = await provider.accept()
                peer.send(beginning)
                let error = await failure(of: call)
                #expect(error?.kind == .requestTimedOut && error?.origin == .provider && error?.retry == .always)
                await peer.closed()
            }
            provider.stop()
        }
    }

    @Test("nobody listening is an unreachable provider")
    func refusedConnection() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let origin = provider.origin()
            provider.stop()
            let caller = try Caller()
            while true {
                // Until the listening socket is closed a connection may still be accepted by the kernel.
                let error = await failure(of: caller.start(.get(origin)))
                if error?.detail.contains("refused") == true {
                    #expect(error?.kind == .providerUnreachable && error?.retry == .always)
                    break
                }
            }
            #expect(caller.upstream.counts == .init(open: 0, idle: 0))
        }
    }
}
