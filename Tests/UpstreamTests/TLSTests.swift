import GatewayCore
import NIOCore
import TestKit
import Testing

@testable import Upstream

@Suite("TLS towards providers", .timeLimit(.minutes(1)))
struct TLSTests {
    private static let names = ["provider.test": "127.0.0.1", "other.test": "127.0.0.1"]

    @WorkerLoop
    private func caller(_ authority: TestAuthority) throws -> Caller {
        try Caller({ $0.additionalRootsFile = authority.rootsFile }, names: Self.names)
    }

    @Test("a certificate of an added authority is accepted for its name and for its address, and connections are kept")
    func accepted() async throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        let tls = try authority.server(for: "DNS:provider.test,IP:127.0.0.1")
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start(tls: tls)
            let caller = try caller(authority)
            for host in ["provider.test", "127.0.0.1"] {
                var peer: Peer?
                for _ in 0..<2 {
                    let call = caller.start(.post(provider.origin(.https, host: host), text: "secret"))
                    let current: Peer
                    if let peer { current = peer } else { current = await provider.accept() }
                    peer = current
                    _ = try await current.head()
                    #expect(try await current.bytes(6) == "secret")
                    current.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    let sink = RecordingSink()
                    try await call.value.relay(to: sink)
                    await sink.ended()
                    #expect(sink.payloadText == "ok")
                }
            }
            #expect(provider.accepted == 2)
            provider.stop()
        }
    }

    @Test("a certificate for another name is refused")
    func wrongName() async throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        let tls = try authority.server(for: "DNS:provider.test")
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start(tls: tls)
            let caller = try caller(authority)
            for host in ["other.test", "127.0.0.1"] {
                let call = caller.start(.get(provider.origin(.https, host: host)))
                let peer = await provider.accept()
                let error = await failure(of: call)
                #expect(error?.kind == .providerUnreachable && error?.origin == .provider)
                await peer.closed()
                #expect(peer.receivedCount == 0)
            }
            #expect(caller.upstream.counts == .init(open: 0, idle: 0))
            provider.stop()
        }
    }

    @Test("a certificate of an unknown authority is refused")
    func unknownAuthority() async throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        let tls = try authority.server(for: "DNS:provider.test")
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start(tls: tls)
            let caller = try Caller(names: Self.names)
            let call = caller.start(.get(provider.origin(.https, host: "provider.test")))
            let peer = await provider.accept()
            let error = await failure(of: call)
            #expect(error?.kind == .providerUnreachable)
            await peer.closed()
            #expect(peer.receivedCount == 0)
            provider.stop()
        }
    }

    @Test("without close_notify an answer that ends with the connection counts as cut")
    func cut() async throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        let tls = try authority.server(for: "DNS:provider.test")
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start(tls: tls)
            let caller = try caller(authority)
            for isOrderly in [true, false] {
                let call = caller.start(.get(provider.origin(.https, host: "provider.test")))
                let peer = await provider.accept()
                _ = try await peer.head()
                peer.send("HTTP/1.1 200 OK\r\n\r\nabc")
                let sink = RecordingSink()
                try await call.value.relay(to: sink)
                await sink.received(3)
                if isOrderly { peer.close() } else { peer.closeSocket() }
                await sink.ended()
                #expect(sink.lastCalls == (isOrderly ? 1 : 0))
                #expect(sink.failures.count == (isOrderly ? 0 : 1))
            }
            provider.stop()
        }
    }

    @Test("a cancelled call closes its TLS connection even when the provider says nothing any more")
    func cancelled() async throws {
        let authority = try TestAuthority()
        defer { authority.remove() }
        let tls = try authority.server(for: "DNS:provider.test")
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start(tls: tls)
            let caller = try caller(authority)
            let hook = CancelHook()
            let call = caller.start(.get(provider.origin(.https, host: "provider.test")), cancel: hook)
            let peer = await provider.accept()
            _ = try await peer.head()
            try peer.setReading(false)
            hook.cancel()
            #expect(await failure(of: call)?.origin == .client)
            #expect(caller.upstream.counts.open == 0)
            // Fails when the peer has noticed already.
            try? peer.setReading(true)
            await peer.closed()
            provider.stop()
        }
    }

    @Test("a roots file that cannot be read is reported when the client is built")
    func badRoots() async throws {
        _ = await TestLoop.run {
            #expect(throws: PooledUpstream.SetupFailure.self) {
                try Caller { $0.additionalRootsFile = "/nonexistent/roots.pem" }
            }
        }
    }

    @Test("a peer that does not speak TLS fails the call within the connect timeout")
    func notTLS() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller(names: Self.names)
            let first = caller.start(.get(provider.origin(.https, host: "provider.test")))
            let peer = await provider.accept()
            peer.send("220 mail.example ESMTP\r\n")
            #expect(await failure(of: first)?.kind == .providerUnreachable)
            var silent = UpstreamRequest.get(provider.origin(.https, host: "provider.test"))
            silent.connectTimeout = .milliseconds(50)
            let second = caller.start(silent)
            let quiet = await provider.accept()
            let error = await failure(of: second)
            #expect(error?.kind == .providerUnreachable && error?.detail.contains("timeout") == true)
            await quiet.closed()
            provider.stop()
        }
    }
}
