import GatewayCore
import NIOCore

/// Keeps what a reply delivers; the test waits for its end.
@WorkerLoop
final class RecordingSink: ReplySink {
    private(set) var payload: [UInt8] = []
    private(set) var raw: [UInt8] = []
    private(set) var count = 0
    private(set) var lastCalls = 0
    private(set) var failures: [GatewayError] = []
    private let ends = Mailbox<Void>()
    private let arrivals = Mailbox<Int>()
    private let keepsBytes: Bool
    /// Runs on every `receive` that is not the last.
    var onReceive: (@WorkerLoop () -> Void)?
    /// Runs on the last one.
    var onLast: (@WorkerLoop () -> Void)?

    init(keepsBytes: Bool = true) { self.keepsBytes = keepsBytes }

    func observe(_ bytes: UnsafeRawBufferPointer) { if keepsBytes { payload += bytes } }

    func receive(_ bytes: ByteBuffer, isLast: Bool) {
        count += bytes.readableBytes
        if keepsBytes { raw += bytes.readableBytesView }
        arrivals.put(count)
        if isLast {
            lastCalls += 1
            onLast?()
            ends.put(())
        } else {
            onReceive?()
        }
    }

    func fail(_ error: GatewayError) {
        failures.append(error)
        ends.put(())
    }

    /// Waits for the end, good or bad.
    func ended() async { await ends.take() }
    /// Waits until so many raw bytes have come.
    func received(_ wanted: Int) async { while count < wanted { _ = await arrivals.take() } }

    var payloadText: String { String(decoding: payload, as: UTF8.self) }
    var rawText: String { String(decoding: raw, as: UTF8.self) }
}

/// Counts what the client found worth noticing.
@WorkerLoop
final class RecordingObserver: Observer {
    private(set) var fresh = 0
    private(set) var reused = 0
    private(set) var retried = 0
    private(set) var failed: [String] = []

    func record(_ observation: Observation) {
        switch observation {
        case .upstreamConnected(reused: true): reused += 1
        case .upstreamConnected(reused: false): fresh += 1
        case .upstreamRetriedStale: retried += 1
        case .upstreamFailed(_, let reason): failed.append(reason)
        default: break
        }
    }
}
