import GatewayCore
import NIOCore
import Synchronization
import TestKit
import Testing

@testable import Upstream

@Suite("Resolving and egress", .timeLimit(.minutes(1)))
struct ConnectingTests {
    @Test(
        "a tenant's address that is not public is refused before anything is sent",
        arguments: [
            "127.0.0.1", "127.1", "0x7f.1", "2130706433", "::ffff:127.0.0.1", "inside.test",
        ])
    func refused(_ host: String) async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller(names: ["inside.test": "127.0.0.1"])
            var request = UpstreamRequest.get(provider.origin(host: host))
            request.egress = .publicAddressesOnly
            let error = await failure(of: caller.start(request))
            #expect(error?.kind == .providerUnreachable && error?.origin == .gateway && error?.retry == .never)
            #expect(error?.detail.contains("publicAddressesOnly") == true)
            #expect(error?.detail.contains("loopback") == true)
            #expect(provider.accepted == 0)
            provider.stop()
        }
    }

    @Test("a connection opened for the operator does not serve a tenant")
    func noSharing() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller()
            let call = caller.start(.get(provider.origin()))
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            try await call.value.cancel()
            #expect(caller.upstream.counts.idle == 1)
            var request = UpstreamRequest.get(provider.origin())
            request.egress = .publicAddressesOnly
            #expect(await failure(of: caller.start(request))?.origin == .gateway)
            provider.stop()
        }
    }

    @Test("the rule can be lifted")
    func lifted() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let caller = try Caller({ $0.allowsPrivateAddresses = true }, names: ["inside.test": "127.0.0.1"])
            var request = UpstreamRequest.get(provider.origin(host: "inside.test"))
            request.egress = .publicAddressesOnly
            let call = caller.start(request)
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            #expect(try await call.value.head.status == 200)
            provider.stop()
        }
    }

    @Test("an unknown name is an unreachable provider")
    func unknownName() async throws {
        try await TestLoop.run {
            let caller = try Caller()
            let error = await failure(of: caller.start(.get(Origin(scheme: .http, host: "nowhere.test"))))
            #expect(error?.kind == .providerUnreachable && error?.origin == .provider)
            #expect(error?.detail.contains("unknown name") == true)
        }
    }

    @Test("the addresses of a name are tried in turn")
    func inTurn() async throws {
        try await TestLoop.run {
            let provider = try await ScriptedProvider.start()
            let resolver = HostResolver(loop: TestLoop.loop, lifetime: .seconds(30)) { _ in
                do {
                    // Nothing listens on the IPv6 loopback at this port.
                    return .success([
                        try SocketAddress(ipAddress: "::1", port: 0),
                        try SocketAddress(ipAddress: "127.0.0.1", port: 0),
                    ])
                } catch {
                    return .failure(ResolutionFailure(reason: "\(error)"))
                }
            }
            let upstream = try PooledUpstream(
                loop: TestLoop.loop, settings: UpstreamSettings(), observer: RecordingObserver(), resolver: resolver
            )
            let request = UpstreamRequest.get(provider.origin(host: "two.test"))
            let call = Task { @WorkerLoop in try await upstream.reply(to: request, cancel: CancelHook()) }
            let peer = await provider.accept()
            _ = try await peer.head()
            peer.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            #expect(try await call.value.head.status == 200)
            provider.stop()
        }
    }

    @Test("equal lookups share one call, and its answer is remembered")
    func sharedLookups() async throws {
        await TestLoop.run {
            let calls = Counter()
            let gate = Gate()
            let resolver = HostResolver(loop: TestLoop.loop, lifetime: .seconds(30)) { _ in
                calls.add()
                gate.wait()
                return SystemLookup.addresses(of: "192.0.2.1", allowing: .addressesOnly)
            }
            let answers = Mailbox<Resolution>()
            for _ in 0..<3 { resolver.resolve("a.test") { answers.put($0) } }
            gate.open()
            for _ in 0..<3 { #expect((try? await answers.take().get())?.first?.ipAddress == "192.0.2.1") }
            var atOnce = false
            resolver.resolve("a.test") { _ in atOnce = true }
            #expect(atOnce)
            #expect(calls.value == 1)
            resolver.shutDown()
        }
    }

    @Test("a failed lookup is not remembered, an outdated one neither")
    func notRemembered() async throws {
        await TestLoop.run {
            let calls = Counter()
            let resolver = HostResolver(loop: TestLoop.loop, lifetime: .zero) { _ in
                calls.add()
                return calls.value == 1
                    ? .failure(ResolutionFailure(reason: "no"))
                    : SystemLookup.addresses(of: "192.0.2.1", allowing: .addressesOnly)
            }
            let answers = Mailbox<Resolution>()
            for _ in 0..<3 {
                resolver.resolve("a.test") { answers.put($0) }
                _ = await answers.take()
            }
            #expect(calls.value == 3)
            resolver.shutDown()
        }
    }
}

private final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    func add() { count.add(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}
