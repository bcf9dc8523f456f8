import GatewayCore
import NIOCore
import TestKit
import Testing

@testable import Upstream

@Suite("Calls over real sockets", .timeLimit(.minutes(1)))
struct CallTests {
    private static let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

    @Test("a request arrives as it was given, and its answer comes back byte by byte")
    func exchange() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.post(provider.origin(), text: "{\"a\":1}"))
            let peer = await provider.accept()
            let head = try await peer.head()
            #expect(head == "POST / HTTP/1.1\r\nHost: 127.0.0.1:\(provider.port)\r\nContent-Length: 7\r\n\r\n")
            #expect(try await peer.bytes(7) == "{\"a\":1}")
            peer.send("HTTP/1.1 418 I'm a teapot\r\nX-A: b\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
            let reply = try await call.value
            #expect(reply.head.status == 418)
            #expect(reply.head.value(named: "x-a") == "b")
            let sink = RecordingSink()
            reply.relay(to: sink)
            await sink.ended()
            #expect(sink.payloadText == "hi")
            #expect(sink.rawText == "2\r\nhi\r\n0\r\n\r\n")
            #expect(sink.lastCalls == 1 && sink.failures.isEmpty)
            #expect(caller.upstream.counts == .init(open: 1, idle: 1))
            provider.stop()
        }
    }

    @Test("a connection serves one request after the other")
    func reuse() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            var peer: Peer?
            for _ in 0..<3 {
                let call = caller.start(.get(provider.origin()))
                let current: Peer
                if let peer { current = peer } else { current = await provider.accept() }
                peer = current
                _ = try await current.head()
                current.send(Self.ok)
                let sink = RecordingSink()
                try await call.value.relay(to: sink)
                await sink.ended()
                #expect(sink.rawText == "ok")
            }
            #expect(provider.accepted == 1)
            #expect(caller.observer.fresh == 1 && caller.observer.reused == 2)
            provider.stop()
        }
    }

    @Test("the connection is back in the pool when the last byte is handed over")
    func reuseFromTheLastCallback() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send(Self.ok)
            let sink = RecordingSink()
            var idle: Int?
            sink.onLast = { idle = caller.upstream.counts.idle }
            try await call.value.relay(to: sink)
            await sink.ended()
            #expect(idle == 1)
            provider.stop()
        }
    }

    @Test("two requests at a time use two connections")
    func parallel() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let calls = [caller.start(.get(provider.origin())), caller.start(.get(provider.origin()))]
            let peers = [await provider.accept(), await provider.accept()]
            for peer in peers {
                _ = try await peer.head()
                peer.send(Self.ok)
            }
            for call in calls {
                let sink = RecordingSink()
                try await call.value.relay(to: sink)
                await sink.ended()
            }
            #expect(caller.upstream.counts == .init(open: 2, idle: 2))
            provider.stop()
        }
    }

    @Test("beyond the connection limit a request fails at once")
    func connectionLimit() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller { $0.connectionsPerOrigin = 1 }
            let first = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            let error = await failure(of: caller.start(.get(provider.origin())))
            #expect(error?.kind == .providerUnreachable && error?.origin == .gateway)
            peer.send(Self.ok)
            try await first.value.cancel()
            provider.stop()
        }
    }

    @Test("an idle connection that the provider closes leaves the pool")
    func idleClose() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send(Self.ok)
            let sink = RecordingSink()
            try await call.value.relay(to: sink)
            await sink.ended()
            peer.close()
            let second = caller.start(.get(provider.origin()))
            let fresh = await provider.accept()
            _ = try await fresh.head()
            fresh.send(Self.ok)
            _ = try await second.value
            #expect(provider.accepted == 2)
            provider.stop()
        }
    }

    @Test("an unexpected byte on an idle connection closes it")
    func idleGarbage() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send(Self.ok)
            let sink = RecordingSink()
            try await call.value.relay(to: sink)
            await sink.ended()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await peer.closed()
            #expect(caller.upstream.counts == .init(open: 0, idle: 0))
            provider.stop()
        }
    }

    @Test("idle connections are closed when they are old, and at shutdown")
    func idleExpiry() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller { $0.idleKeepAlive = .seconds(1000) }
            for round in 0..<2 {
                let call = caller.start(.get(provider.origin()))
                let peer = await provider.accept()
                _ = try await peer.head()
                peer.send(Self.ok)
                let sink = RecordingSink()
                try await call.value.relay(to: sink)
                await sink.ended()
                #expect(caller.upstream.counts.idle == 1)
                if round == 0 {
                    for _ in 0..<1000 { caller.upstream.secondPassed() }
                } else {
                    caller.upstream.shutDown()
                }
                #expect(caller.upstream.counts.idle == 0)
                await peer.closed()
            }
            provider.stop()
        }
    }

    @Test("a connection is closed when nothing moves for the request's idle time")
    func idleTimeout() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            var request = UpstreamRequest.get(provider.origin())
            request.idleTimeout = .seconds(500)
            let call = caller.start(request)
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
            let sink = RecordingSink()
            try await call.value.relay(to: sink)
            await sink.received(2)
            for _ in 0..<400 { caller.upstream.secondPassed() }
            #expect(sink.failures.isEmpty)
            for _ in 0..<101 { caller.upstream.secondPassed() }
            await sink.ended()
            #expect(sink.failures.map(\.kind) == [.providerUnreachable])
            await peer.closed()
            provider.stop()
        }
    }
}
