import GatewayCore
import NIOCore
import Pipeline
import RedisStore
import TestKit
import Testing
import WireFormats
import WorkerRuntime

/// A worker's gate with a connection of its own.
@WorkerLoop
struct Worker {
    let fixture: StoreFixture
    let gate: SharingGate

    init(
        _ server: RedisServer, leaseLife: Duration = .seconds(60),
        options: RedisConnection.Options = StoreFixture.patient, coalescing: Coalescing = .on,
        whenUnavailable: RedisUnavailablePolicy = .allow, _ change: (inout SharingBounds) -> Void = { _ in }
    ) async throws {
        fixture = try await StoreFixture.connected(to: server, leaseLife: leaseLife, options: options)
        var bounds = SharingBounds()
        change(&bounds)
        gate = SharingGate(
            fixture.store, timers: LoopTimer(loop: TestLoop.loop), clock: SystemClock(), coalescing: coalescing,
            whenUnavailable: whenUnavailable, bounds: bounds
        )
    }

    func question(
        _ name: UInt8, lookup: CacheLookup = .read, keepsStreams: Bool = false, limits: [RateRule] = []
    ) -> GateQuestion {
        GateQuestion(
            account: StoreFixture.account, gateway: StoreFixture.gateway,
            cache: CacheTerms(
                key: StoreFixture.key(name), timeToLive: 60, lookup: lookup, keepsStreams: keepsStreams
            ), limits: limits
        )
    }

    /// Puts a whole answer into the cache.
    func fetch(_ name: UInt8, _ text: String) async throws {
        let lead = try await Asking(gate, question(name)).lead()
        #expect(lead.begin(Head.whole()))
        lead.append(text)
        lead.end(.complete)
    }

    /// The payload that the cache has.
    func read(_ name: UInt8) async throws -> String {
        let reader = ReplyProbe(try await Asking(gate, question(name)).reply())
        #expect(await reader.ended() == .complete)
        return reader.payload
    }

    /// Returns when everything that was sent to Redis before has been answered, and what follows from it has run.
    func settle() async {
        _ = await fixture.connection.send(RedisCommand("PING"))
        for _ in 0..<20 { await Task.yield() }
    }

    /// Nothing is in flight and nothing is held.
    func expectIdle(sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(gate.isIdle, sourceLocation: sourceLocation)
        #expect(gate.heldBytes == 0, sourceLocation: sourceLocation)
    }

    func close() { fixture.close() }
}

/// Runs `body` with a worker whose Redis is its own.
func withWorker(
    leaseLife: Duration = .seconds(60), coalescing: Coalescing = .on,
    bounds change: @WorkerLoop @Sendable (inout SharingBounds) -> Void = { _ in },
    _ body: @WorkerLoop @Sendable (Worker) async throws -> Void
) async throws {
    let server = try RedisServer()
    try await TestLoop.run {
        let worker = try await Worker(server, leaseLife: leaseLife, coalescing: coalescing, change)
        try await body(worker)
        worker.close()
    }
}

/// One request at a gate.
@WorkerLoop
final class Asking {
    enum Unexpected: Error { case opening(String) }

    let cancel = CancelHook()
    private var outcome: Result<GateOpening, GatewayError>?
    private var waiter: CheckedContinuation<Void, Never>?

    init(_ gate: SharingGate, _ question: GateQuestion) {
        WorkerLoop.start {
            do throws(GatewayError) {
                self.outcome = .success(try await gate.open(question, cancel: self.cancel))
            } catch {
                self.outcome = .failure(error)
            }
            self.waiter?.resume()
            self.waiter = nil
        }
    }

    func finished() async throws {
        // Asked again inside: others may run before a task that starts to wait does.
        await withCheckedContinuation { continuation in
            if outcome == nil { waiter = continuation } else { continuation.resume() }
        }
        if case .failure(let error) = outcome { throw error }
    }

    func opening() async throws -> GateOpening {
        try await finished()
        return try #require(try outcome?.get())
    }

    func lead() async throws -> any AnswerLead {
        let opening = try await opening()
        guard case .call(let lead?) = opening else { throw Unexpected.opening("\(opening)") }
        return lead
    }

    func reply() async throws -> any UpstreamReply {
        let opening = try await opening()
        guard case .answer(let reply) = opening else { throw Unexpected.opening("\(opening)") }
        outcome = nil
        return reply
    }

    /// Drops what the gate gave.
    func forget() { outcome = nil }
}

extension AnswerLead {
    func append(_ text: String) {
        Array(text.utf8).withUnsafeBytes { append($0) }
    }
}

/// Looks how much memory hangs on each piece of a reply.
@WorkerLoop
final class CapacityProbe: ReplySink {
    private(set) var bytes = 0
    private(set) var largest = 0
    private(set) var isEnded = false

    func observe(_ payload: UnsafeRawBufferPointer) {}

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        bytes += raw.readableBytes
        largest = max(largest, raw.storageCapacity)
        isEnded = isLast
    }

    func fail(_ error: GatewayError) { Issue.record("the answer broke off: \(error.detail)") }
}

/// Reads a reply like a client.
@WorkerLoop
final class ReplyProbe: ReplySink {
    enum Ending: Sendable, Equatable { case complete, failed }

    private var payloadBytes: [UInt8] = []
    private var rawBytes: [UInt8] = []
    private(set) var ending: Ending?
    private let reply: any UpstreamReply
    private let pausesAfterEach: Bool
    private var waiter: CheckedContinuation<Void, Never>?

    init(_ reply: any UpstreamReply, pausesAfterEach: Bool = false) {
        self.reply = reply
        self.pausesAfterEach = pausesAfterEach
        reply.relay(to: self)
    }

    var payload: String { String(decoding: payloadBytes, as: UTF8.self) }
    var raw: String { String(decoding: rawBytes, as: UTF8.self) }

    func observe(_ payload: UnsafeRawBufferPointer) { payloadBytes += payload }

    func receive(_ raw: ByteBuffer, isLast: Bool) {
        #expect(ending == nil)
        rawBytes += raw.readableBytesView
        if isLast { ending = .complete }
        if pausesAfterEach { reply.setReading(false) }
        wake()
    }

    func fail(_ error: GatewayError) {
        #expect(ending == nil)
        ending = .failed
        wake()
    }

    func ended() async -> Ending? {
        while ending == nil { await wait() }
        return ending
    }

    func payload(reaches count: Int) async {
        while payloadBytes.count < count, ending == nil { await wait(beyond: payloadBytes.count) }
    }

    /// Waits for the next bytes or the end, unless they have come since.
    private func wait(beyond count: Int? = nil) async {
        let known = count ?? payloadBytes.count
        await withCheckedContinuation { continuation in
            if ending == nil, payloadBytes.count == known { waiter = continuation } else { continuation.resume() }
        }
    }

    private func wake() {
        waiter?.resume()
        waiter = nil
    }
}

/// Heads of providers' answers.
enum Head {
    static func parsed(_ text: String) throws -> ResponseHead {
        var bytes = ByteBuffer(string: text)
        var parser = ResponseParser()
        return try #require(try parser.parse(&bytes, toHeadRequest: false))
    }

    static func whole(_ type: String = "text/plain", encoding: String? = nil, length: Int = 7) -> ResponseHead {
        let extra = encoding.map { "Content-Encoding: \($0)\r\n" } ?? ""
        let text = "HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\n\(extra)Content-Length: \(length)\r\n\r\n"
        do { return try parsed(text) } catch { preconditionFailure("\(error)") }
    }

    static var stream: ResponseHead {
        let text = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        do { return try parsed(text) } catch { preconditionFailure("\(error)") }
    }
}
