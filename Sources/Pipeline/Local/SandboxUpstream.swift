package import GatewayCore
import NIOCore
import Providers
import WireFormats

/// Serves the provider `sandbox` inside the worker, through the same port as every other provider.
@WorkerLoop
package final class SandboxUpstream: UpstreamClient {
    private let timers: any Timers
    private let clock: any WallClock
    private var answered: UInt64 = 0

    package init(timers: any Timers, clock: any WallClock) {
        self.timers = timers
        self.clock = clock
    }

    package func send(
        _ request: UpstreamRequest, cancel: CancelHook
    ) async throws(GatewayError) -> any UpstreamReply {
        let body = try await whole(request.body, cancel)
        var bytes = request.head
        var parser = RequestParser()
        let head: RequestHead?
        do { head = try parser.parse(&bytes) } catch { head = nil }
        guard let head else {
            throw GatewayError(.internalFailure, origin: .gateway, detail: "the sandbox got an unreadable head")
        }
        answered += 1
        let target = head.text(head.target)
        let script = SandboxScript(
            SandboxScript.Call(
                method: head.text(head.method), path: String(target.prefix { $0 != "?" }), body: body,
                now: clock.now, id: "sandbox-\(answered)"
            )
        )
        if case .reply = script.answer, script.delay == .zero {
        } else {
            try await pause(script, request.firstByteTimeout, cancel)
        }
        guard case .reply(let status, let contentType, let isStream, let steps) = script.answer else {
            throw GatewayError(.providerUnreachable, origin: .provider, detail: "the sandbox stays silent")
        }
        return try SandboxReply(
            status: status, contentType: contentType, isStream: isStream, steps: steps,
            isHeadMethod: request.isHeadMethod, timers: timers
        )
    }

    private func whole(_ body: RequestBody, _ cancel: CancelHook) async throws(GatewayError) -> ByteBuffer {
        if body.state == .open {
            body.waitsForWhole = true
            await withCheckedContinuation { (waiter: CheckedContinuation<Void, Never>) in
                var pending: CheckedContinuation<Void, Never>? = waiter
                @WorkerLoop func go() {
                    pending?.resume()
                    pending = nil
                }
                body.rewind { if body.state != .open { go() } }
                cancel.onCancel { go() }
            }
            body.detach()
            cancel.onCancel(nil)
        }
        guard let whole = body.whole() else {
            throw GatewayError(.malformedRequest, origin: .client, detail: "the request body broke off")
        }
        return whole
    }

    /// Waits out the script's delay, for ever when it is silence, but not beyond the deadline or a cancellation.
    private func pause(_ script: SandboxScript, _ limit: Duration?, _ cancel: CancelHook) async throws(GatewayError) {
        enum Wake { case due, expired, cancelled }
        let wake: Wake = await withCheckedContinuation { waiter in
            var pending: CheckedContinuation<Wake, Never>? = waiter
            var hooks: [CancelHook] = []
            @WorkerLoop func go(_ wake: Wake) {
                pending?.resume(returning: wake)
                pending = nil
                for hook in hooks { hook.cancel() }
            }
            if case .reply = script.answer { hooks.append(timers.after(script.delay) { go(.due) }) }
            if let limit { hooks.append(timers.after(limit) { go(.expired) }) }
            cancel.onCancel { go(.cancelled) }
        }
        switch wake {
        case .due: cancel.onCancel(nil)
        case .expired: throw GatewayError(.requestTimedOut, origin: .provider, retry: .always)
        case .cancelled: throw GatewayError(.providerUnreachable, origin: .client, detail: "cancelled")
        }
    }
}

/// An answer that is played from a script.
@WorkerLoop
private final class SandboxReply: UpstreamReply {
    let head: ResponseHead
    private let isStream: Bool
    private var steps: ArraySlice<SandboxScript.Step>
    private var sink: (any ReplySink)?
    private var isReading = true
    private var isPlaying = false
    private let timers: any Timers
    private var timer: CancelHook?

    init(
        status: Int, contentType: StaticString, isStream: Bool, steps: [SandboxScript.Step], isHeadMethod: Bool,
        timers: any Timers
    ) throws(GatewayError) {
        self.isStream = isStream
        self.steps = steps[...]
        self.timers = timers
        var bytes = ByteBuffer()
        HeadWriter.statusLine(status, into: &bytes)
        HeadWriter.field("Content-Type", contentType.description, into: &bytes)
        if isStream {
            HeadWriter.field("Transfer-Encoding", "chunked", into: &bytes)
        } else {
            HeadWriter.field("Content-Length", number: Self.length(steps), into: &bytes)
        }
        HeadWriter.endOfHead(into: &bytes)
        var parser = ResponseParser(limits: .standard)
        let parsed: ResponseHead?
        do { parsed = try parser.parse(&bytes, toHeadRequest: isHeadMethod) } catch { parsed = nil }
        guard let parsed else {
            throw GatewayError(.internalFailure, origin: .gateway, detail: "the sandbox wrote an unreadable head")
        }
        head = parsed
    }

    /// Announced length: a cut answer announces more than it sends.
    private static func length(_ steps: [SandboxScript.Step]) -> Int {
        steps.reduce(0) { sum, step in
            switch step {
            case .payload(let bytes): sum + bytes.readableBytes
            case .cut: sum + 1
            case .wait: sum
            }
        }
    }

    func relay(to sink: any ReplySink) {
        self.sink = sink
        if head.framing == .none {
            steps = []
            sink.receive(ByteBuffer(), isLast: true)
            return
        }
        play()
    }

    func setReading(_ reading: Bool) {
        isReading = reading
        if reading { play() }
    }

    func cancel() {
        sink = nil
        timer?.cancel()
    }

    private func play() {
        guard !isPlaying else { return }
        isPlaying = true
        defer { isPlaying = false }
        while isReading, let sink, let step = steps.popFirst() {
            switch step {
            case .payload(let payload):
                payload.withUnsafeReadableBytes { sink.observe($0) }
                let isEnd = steps.isEmpty
                var raw = payload
                if isStream {
                    raw = ByteBuffer()
                    HeadWriter.chunk(payload, into: &raw)
                    if isEnd { HeadWriter.lastChunk(into: &raw) }
                }
                sink.receive(raw, isLast: isEnd)
                if isEnd { self.sink = nil }
            case .cut:
                self.sink = nil
                sink.fail(
                    GatewayError(.providerUnreachable, origin: .provider, detail: "the sandbox cut its answer")
                )
            case .wait(let delay):
                isReading = false
                timer = timers.after(delay) { [weak self] in self?.setReading(true) }
            }
        }
    }
}
