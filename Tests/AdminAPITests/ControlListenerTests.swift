@testable import AdminAPI
import ControlPlane
import Foundation
import GatewayCore
import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@Suite("Control port")
struct ControlListenerTests {
    /// A listening socket as the supervisor hands it over, and its port.
    private func boundSocket() throws -> (descriptor: Int32, port: UInt16) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) == 0 && listen(descriptor, 1024) == 0
                    && getsockname(descriptor, address, &length) == 0
            }
        }
        try #require(isBound)
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    /// A connection to that port of this machine, unless nobody listens there.
    private static func connected(to port: UInt16) -> Int32? {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        let isConnected = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if !isConnected { _ = close(descriptor) }
        return isConnected ? descriptor : nil
    }

    /// Everything the peer sends in answer to `text` until it closes or `limit` bytes came.
    private func exchange(_ port: UInt16, _ text: String, until marker: String) async -> String {
        // On a thread of its own: who answers needs those of the tests.
        await withCheckedContinuation { done in
            Thread { done.resume(returning: Self.blockingExchange(port, text, until: marker)) }.start()
        }
    }

    private static func blockingExchange(_ port: UInt16, _ text: String, until marker: String) -> String {
        guard let descriptor = connected(to: port) else { return "not connected" }
        defer { _ = close(descriptor) }
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let bytes = Array(text.utf8)
        _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65_536)
        while !String(decoding: answer, as: UTF8.self).contains(marker) {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { break }
            answer += chunk[..<count]
        }
        return String(decoding: answer, as: UTF8.self)
    }

    @Test("an inherited socket serves health, metrics and the API; too large a body is 413")
    func serving() async throws {
        let (descriptor, port) = try boundSocket()
        let api = try await ManagementAPI()
        let surface = ControlSurface(
            api: api.responder,
            health: {
                HealthReport(
                    status: .noSnapshot, snapshot: nil,
                    dependencies: [.init(name: "postgres", state: "available", since: Instant(milliseconds: 0))],
                    workers: [.init(number: 0, state: "ready", processID: 1, snapshot: 7, connections: 2)]
                )
            },
            metrics: { "aig_test 1\n" }
        )
        let listener = ControlListener(
            surface: surface, tls: nil, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test")
        )
        let work = Task { try await listener.run([descriptor]) }
        func get(_ path: String, headers: String = "", until marker: String) async -> String {
            await exchange(port, "GET \(path) HTTP/1.1\r\nHost: x\r\n\(headers)\r\n", until: marker)
        }
        #expect(await get("/healthz", until: "ok").hasPrefix("HTTP/1.1 200 OK"))
        let ready = await get("/readyz", until: "connections")
        #expect(ready.hasPrefix("HTTP/1.1 503"))
        #expect(ready.contains(#""postgres":{"state":"available","since":"1970-01-01T00:00:00.000Z","problem":null}"#))
        #expect(await get("/metrics", until: "aig_test 1").contains("text/plain; version=0.0.4"))
        let list = await get(
            "/client/v4" + ManagementAPI.gateways + "?per_page=1",
            headers: "Authorization: Bearer \(api.read)\r\n", until: "total_pages"
        )
        #expect(list.hasPrefix("HTTP/1.1 200 OK"))
        #expect(list.contains(#""per_page":1"#))
        #expect(await get(ManagementAPI.gateways, until: "10000").hasPrefix("HTTP/1.1 401"))
        let large =
            "POST \(ManagementAPI.gateways) HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \(api.edit)\r\n"
            + "Content-Length: 1048577\r\n\r\n" + String(repeating: " ", count: 1_048_577)
        #expect(await exchange(port, large, until: "7001").hasPrefix("HTTP/1.1 413"))
        #expect(await exchange(port, "not http\r\n\r\n", until: "\r\n\r\n").hasPrefix("HTTP/1.1 400"))
        work.cancel()
        _ = await work.result
    }

    @Test("a stop while connections come in ends them all, and not the process")
    func stopping() async throws {
        let api = try await ManagementAPI()
        let surface = ControlSurface(
            api: api.responder,
            health: { HealthReport(status: .noSnapshot, snapshot: nil, dependencies: [], workers: []) },
            metrics: { "" }
        )
        for _ in 0..<40 {
            let (descriptor, port) = try boundSocket()
            let listener = ControlListener(
                surface: surface, tls: nil, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test")
            )
            let work = Task { try await listener.run([descriptor]) }
            #expect(await exchange(port, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", until: "ok").contains("200"))
            let clients = Clients(port: port)
            clients.start()
            while clients.count < 50 { try await Task.sleep(for: .milliseconds(1)) }
            work.cancel()
            try await work.value
            clients.stop()
        }
    }

    /// Connects as often as it can, from a few threads of its own.
    private final class Clients: Sendable {
        private let port: UInt16
        private let connected = Atomic(0)
        private let isOver = Atomic(false)

        init(port: UInt16) { self.port = port }

        var count: Int { connected.load(ordering: .relaxed) }

        func start() {
            for _ in 0..<4 {
                Thread { [self] in
                    while !isOver.load(ordering: .relaxed), let descriptor = ControlListenerTests.connected(to: port) {
                        connected.add(1, ordering: .relaxed)
                        _ = close(descriptor)
                    }
                }.start()
            }
        }

        /// Nobody waits for them: a connect that meets the end of the listener may take a second.
        func stop() { isOver.store(true, ordering: .relaxed) }
    }
}
