import ControlPlane
import Foundation
import GatewayCore
import NIOCore
import Testing

@Suite("WorkerLinkServer")
struct WorkerLinkServerTests {
    /// A worker's end of the link, over a plain socket that is asked now and then.
    private final class Worker {
        private let descriptor: Int32
        private var pending = ByteBuffer()

        init(_ path: String) async throws {
            descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8) + [0]) }
            for _ in 0..<6000 {
                let descriptor = descriptor
                let result = withUnsafePointer(to: &address) {
                    $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                    }
                }
                if result == 0 { return }
                try await Task.sleep(for: .milliseconds(10))
            }
            throw POSIXError(.ECONNREFUSED)
        }

        deinit { close(descriptor) }

        func send(_ message: ControlLink.FromWorker) { send(Array(buffer: ControlLink.encode(message))) }
        func send(_ bytes: [UInt8]) { _ = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) } }

        /// The next message; nil when the server closed the link or nothing came for a minute.
        func next() async throws -> ControlLink.FromControl? {
            for _ in 0..<6000 {
                if let message = try ControlLink.decodeFromControl(&pending) { return message }
                var isClosed = false
                let count = pending.writeWithUnsafeMutableBytes(minimumWritableBytes: 65_536) {
                    let count = recv(descriptor, $0.baseAddress, $0.count, Int32(MSG_DONTWAIT))
                    isClosed = count == 0
                    return max(0, count)
                }
                if isClosed { return nil }
                if count == 0 { try await Task.sleep(for: .milliseconds(10)) }
            }
            return nil
        }
    }

    private static func path() -> String { "/tmp/aig-link-\(UInt64.random(in: 0 ... .max))" }

    private static func snapshot(_ version: UInt64) -> ConfigSnapshot {
        var snapshot = ConfigSnapshot(version: version)
        snapshot.accounts = ["a"]
        snapshot.gateways = [GatewayPlan(account: "a", id: GatewayID("g\(version)"))]
        return snapshot
    }

    private static func version(_ message: ControlLink.FromControl?) -> UInt64? {
        guard case .snapshot(let bytes)? = message else { return nil }
        return ConfigSnapshot(decoding: bytes)?.version
    }

    private static func serving(_ server: WorkerLinkServer, _ body: () async throws -> Void) async throws {
        let work = Task { try await server.run() }
        do {
            try await body()
        } catch {
            work.cancel()
            throw error
        }
        work.cancel()
        try await work.value
    }

    @Test("a worker gets the snapshot after its hello, every newer one, and none that it has")
    func snapshots() async throws {
        let path = Self.path()
        let server = WorkerLinkServer(path: path) { _ in nil }
        await server.publish(Self.snapshot(3))
        await server.note(.postgres, isAvailable: false, since: Instant(microseconds: 5))
        try await Self.serving(server) {
            let fresh = try await Worker(path)
            fresh.send(.hello(slot: 0, processID: 1, snapshotVersion: 0))
            #expect(try await Self.version(fresh.next()) == 3)
            #expect(try await fresh.next() == .store(.postgres, isAvailable: false, since: Instant(microseconds: 5)))
            let informed = try await Worker(path)
            informed.send(.hello(slot: 1, processID: 2, snapshotVersion: 3))
            #expect(try await informed.next() == .store(.postgres, isAvailable: false, since: Instant(microseconds: 5)))
            await server.publish(Self.snapshot(4))
            #expect(try await Self.version(fresh.next()) == 4)
            #expect(try await Self.version(informed.next()) == 4)
            await server.note(.postgres, isAvailable: true, since: Instant(microseconds: 9))
            #expect(try await fresh.next() == .store(.postgres, isAvailable: true, since: Instant(microseconds: 9)))
            #expect(await server.workers == 2)
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
        unlink(path)
    }

    @Test("the snapshot with a provisioned gateway arrives before the answer; one request serves all who wait")
    func provisioning() async throws {
        actor Provisioner {
            var calls = 0
            var server: WorkerLinkServer?
            func use(_ server: WorkerLinkServer) { self.server = server }
            func make(_ account: AccountID) async -> String? {
                calls += 1
                if account == "bad" { return "no such account" }
                // A link is read in order: both have asked by then.
                while let server, await server.workers < 2 { try? await Task.sleep(for: .milliseconds(5)) }
                await server?.publish(WorkerLinkServerTests.snapshot(8))
                return nil
            }
        }
        let path = Self.path()
        let provisioner = Provisioner()
        let server = WorkerLinkServer(path: path) { await provisioner.make($0) }
        await provisioner.use(server)
        try await Self.serving(server) {
            let first = try await Worker(path)
            let second = try await Worker(path)
            for worker in [first, second] {
                worker.send(.provisionDefaultGateway(request: 42, account: "good"))
                worker.send(.hello(slot: 0, processID: 1, snapshotVersion: 7))
            }
            for worker in [first, second] {
                #expect(try await Self.version(worker.next()) == 8)
                #expect(try await worker.next() == .provisioned(request: 42, problem: nil))
            }
            #expect(await provisioner.calls == 1)
            first.send(.provisionDefaultGateway(request: 43, account: "bad"))
            #expect(try await first.next() == .provisioned(request: 43, problem: "no such account"))
        }
        unlink(path)
    }

    @Test("a peer that speaks nonsense is disconnected, others are not")
    func nonsense() async throws {
        let path = Self.path()
        let server = WorkerLinkServer(path: path) { _ in nil }
        await server.publish(Self.snapshot(1))
        try await Self.serving(server) {
            let good = try await Worker(path)
            let bad = try await Worker(path)
            bad.send([0xff, 0xff, 0xff, 0xff, 1, 2, 3])
            #expect(try await bad.next() == nil)
            good.send(.hello(slot: 0, processID: 1, snapshotVersion: 0))
            #expect(try await Self.version(good.next()) == 1)
        }
        unlink(path)
    }

    @Test("the snapshot file comes back as it was saved, for its owner only; a damaged one is no snapshot")
    func file() throws {
        let path = Self.path()
        let file = SnapshotFile(path: path)
        #expect(file.load() == nil)
        try file.save(Self.snapshot(5))
        #expect(file.load() == Self.snapshot(5))
        #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        try Data("damaged".utf8).write(to: URL(fileURLWithPath: path))
        #expect(file.load() == nil)
        unlink(path)
    }
}
