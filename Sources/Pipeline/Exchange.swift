import CloudflareWire
package import GatewayCore
package import NIOCore
import Providers
import WireFormats

/// One request from its complete head to its settled record.
///
/// Accept → Admit → Plan → Serve → Relay → Settle, once, in this order; each phase's result is the next one's input.
@WorkerLoop
package final class Exchange {
    private let environment: WorkerEnvironment
    private let memo: ConnectionMemo
    private let head: RequestHead
    private let downstream: any Downstream
    private let cancel = CancelHook()
    private let body: RequestBody
    private var facts = JSONCapture(wanted: Exchange.wantedFacts)
    /// The body, when it came in one piece: then it is scanned once, at the end.
    private var piece: ByteBuffer?
    private var requestCapture: PayloadCapture
    private var allowance: Int
    private var relay: ReplyRelay?
    private var isClientGone = false
    private var bodyWaiter: CheckedContinuation<Void, Never>?
    private var wholeBodyHeld = 0
    private var bodyRefusal: GatewayError?
    private var hasAnswered = false

    /// Members of a request body that are worth a name: `factModel`.
    private static let wantedFacts: [StaticString] = ["model"]
    private static let factModel = 0

    package init(environment: WorkerEnvironment, memo: ConnectionMemo, head: RequestHead, downstream: any Downstream) {
        self.environment = environment
        self.memo = memo
        self.head = head
        self.downstream = downstream
        body = RequestBody()
        allowance = environment.limits.loggedPayload
        requestCapture = PayloadCapture(wanted: head.framing != .none, environment: environment)
        if head.framing == .none || head.framing == .length(0) { body.finish() }
    }

    /// Begins to work on the request; the connection goes on feeding the body.
    package func start() {
        WorkerLoop.start { await self.run() }
    }

    // MARK: The client's side

    /// Asks the connection to pause (`false`) or resume reading the body.
    package func onDemandChange(_ action: @escaping @WorkerLoop (_ wanted: Bool) -> Void) {
        body.onDemandChange(action)
    }

    package func receive(_ payload: ByteBuffer) {
        guard bodyRefusal == nil, body.state == .open else { return }
        if body.received + payload.readableBytes > environment.limits.requestBody {
            return refuseBody(GatewayError(.bodyTooLarge, origin: .client))
        }
        if body.waitsForWhole {
            guard environment.wholeBodiesHeld + payload.readableBytes <= environment.limits.wholeBodiesTotal else {
                return refuseBody(
                    GatewayError(.notReady, origin: .gateway, detail: "memory for whole request bodies is used up")
                )
            }
            wholeBodyHeld += payload.readableBytes
            environment.wholeBodiesHeld += payload.readableBytes
        }
        if body.received == 0, head.framing == .length(payload.readableBytes) {
            piece = payload
            requestCapture.keep(payload, allowance: &allowance)
        } else {
            payload.withUnsafeReadableBytes { bytes in
                facts.feed(bytes)
                requestCapture.append(bytes, allowance: &allowance)
            }
        }
        body.append(payload)
    }

    package func finishBody() {
        body.finish()
        wakeBodyWaiter()
    }

    /// The client broke its body off or its framing; the connection is going to close.
    package func failBody() {
        body.fail()
        wakeBodyWaiter()
    }

    package func clientGone() {
        guard !isClientGone else { return }
        isClientGone = true
        body.fail()
        wakeBodyWaiter()
        if let relay { relay.clientGone() } else { cancel.cancel() }
    }

    private func refuseBody(_ error: GatewayError) {
        bodyRefusal = error
        failBody()
        if relay == nil { cancel.cancel() }
    }

    private func wakeBodyWaiter() {
        bodyWaiter?.resume()
        bodyWaiter = nil
    }

    // MARK: The line

    private func run() async {
        let inbound = Accept.accept(head, clock: environment.clock)
        var outcome = Outcome(
            inbound: inbound,
            id: LogID(
                milliseconds: UInt64(clamping: inbound.receivedAt.milliseconds), random: &environment.random
            ))
        do throws(GatewayError) {
            try checkSurface(inbound)
            let admitted = try await Admit(environment: environment, memo: memo).admit(inbound)
            outcome.admitted = admitted
            try await serve(admitted, &outcome)
        } catch {
            fail(error, &outcome)
        }
        settle(outcome)
    }

    private func checkSurface(_ inbound: Inbound) throws(GatewayError) {
        switch inbound.address.surface {
        case .native, .compat: break
        case .universal:
            guard inbound.isPostMethod else { throw GatewayError(.methodNotAllowed, origin: .client) }
            throw GatewayError(.invalidProvider, origin: .client, detail: "no provider segment")
        case .health, .readiness, .elsewhere:
            throw GatewayError(.noSuchPath, origin: .client)
        }
        // TRACE would show a client the head that the provider got, keys included; CONNECT is no request at all.
        let isForwardable = head.withBytes { bytes in
            !("TRACE" as StaticString).equals(bytes, head.method)
                && !("CONNECT" as StaticString).equals(bytes, head.method)
        }
        guard isForwardable else { throw GatewayError(.methodNotAllowed, origin: .client) }
        if case .length(let count) = head.framing, count > environment.limits.requestBody {
            throw GatewayError(.bodyTooLarge, origin: .client)
        }
    }

    private func serve(_ admitted: Admitted, _ outcome: inout Outcome) async throws(GatewayError) {
        let plan = Plan(environment: environment)
        let attempt: Attempt
        switch admitted.inbound.address.surface {
        case .compat:
            try checkCompat(admitted.inbound)
            attempt = try plan.compat(admitted, body: try await wholeBody())
        default:
            attempt = try plan.native(admitted, memo: memo, body: body)
            downstream.askForBody()
        }
        outcome.attempt = attempt
        environment.counter.count(admitted.gateway.id, of: admitted.gateway.account)
        let client = attempt.route.provider.definition.service == .sandbox ? environment.sandbox : environment.upstream
        let reply: any UpstreamReply
        do throws(GatewayError) {
            reply = try await client.send(attempt.request, cancel: cancel)
        } catch {
            throw bodyRefusal ?? error
        }
        outcome.firstByte = environment.clock.monotonic - admitted.inbound.started
        await relay(reply, attempt, admitted, &outcome)
    }

    private func checkCompat(_ inbound: Inbound) throws(GatewayError) {
        let isChat = inbound.head.withBytes { CompatPath.chatCompletions.equals($0, inbound.address.rest) }
        guard isChat else { throw GatewayError(.invalidProvider, origin: .client, detail: "unknown compat path") }
        guard inbound.isPostMethod else { throw GatewayError(.methodNotAllowed, origin: .client) }
    }

    /// The complete request body, read within the limits.
    private func wholeBody() async throws(GatewayError) -> ByteBuffer {
        body.waitsForWhole = true
        downstream.askForBody()
        if body.state == .open {
            await withCheckedContinuation { bodyWaiter = $0 }
        }
        if let bodyRefusal { throw bodyRefusal }
        guard body.state == .complete else {
            throw GatewayError(.malformedRequest, origin: .client, detail: "the request body broke off")
        }
        return body.whole() ?? ByteBuffer()
    }

    private func relay(
        _ reply: any UpstreamReply, _ attempt: Attempt, _ admitted: Admitted, _ outcome: inout Outcome
    ) async {
        outcome.status = reply.head.status
        outcome.reply = reply.head
        guard !isClientGone else {
            reply.cancel()
            outcome.ending = .clientGone
            return
        }
        let stream = StreamKind(of: reply.head)
        // Only an event stream can carry the chunk that was asked for; an error in JSON goes through as it is.
        let shape = attempt.reply == .withoutUsageChunk && stream != .sse ? .compat : attempt.reply
        let delivery = AnswerHead.delivery(of: reply.head, to: downstream.version, shape: shape)
        let note = delivery == .plain ? .close : downstream.connectionNote
        let answer = AnswerHead.relayed(
            reply.head, delivery: delivery, isHeadMethod: admitted.inbound.isHeadMethod,
            note: note, marks: outcome.marks(step: 0)
        )
        let relay = ReplyRelay(
            reply: reply, downstream: downstream, delivery: delivery, shape: shape,
            truncation: shape != .asIs && stream == .sse ? .errorEvent : .silent,
            usage: attempt.usageReader(for: stream, reply.head),
            capture: PayloadCapture(wanted: outcome.logsPayload, environment: environment), allowance: allowance
        )
        self.relay = relay
        hasAnswered = true
        downstream.begin(answer, note)
        outcome.ending = await relay.run()
        outcome.take(relay)
    }

    private func fail(_ error: GatewayError, _ outcome: inout Outcome) {
        outcome.error = error
        guard !isClientGone else {
            outcome.ending = .clientGone
            return
        }
        let rendered = ErrorBody(error)
        outcome.status = rendered.status
        outcome.errorCode = rendered.code
        guard !hasAnswered else { return downstream.abort() }
        hasAnswered = true
        let json = rendered.json
        let isHead = outcome.inbound.isHeadMethod
        outcome.responseBytes = json.readableBytes
        if outcome.logsPayload { outcome.responseBody = json }
        let note = downstream.connectionNote
        downstream.begin(
            AnswerHead.own(
                status: rendered.status, contentType: ErrorBody.contentType, length: json.readableBytes,
                note: note,
                marks: outcome.admitted == nil ? nil : outcome.marks(step: outcome.attempt == nil ? nil : 0)
            ), note
        )
        downstream.send(isHead ? ByteBuffer() : json, isLast: true)
    }

    private func settle(_ outcome: Outcome) {
        environment.wholeBodiesHeld -= wholeBodyHeld
        wholeBodyHeld = 0
        let model = requestedModel()
        let isWhole = requestCapture.isComplete && body.state == .complete
        let kept = requestCapture.take()
        Settle(environment: environment).settle(
            outcome, requestedModel: model, requestBytes: body.received, requestBody: kept, isRequestWhole: isWhole
        )
        body.detach()
    }
}

extension Exchange {
    /// The `model` member of the request's body, if it is a JSON object that has one.
    private func requestedModel() -> String? {
        if let piece {
            return piece.withUnsafeReadableBytes { raw in
                guard let range = JSONScan.topLevel(raw, wanted: Self.wantedFacts)?[Self.factModel] else { return nil }
                return JSONView(UnsafeRawBufferPointer(rebasing: raw[range])).string
            }
        }
        return facts.value(Self.factModel).flatMap { raw in raw.withUnsafeReadableBytes { JSONView($0).string } }
    }
}

/// Paths below the OpenAI-compatible endpoint.
enum CompatPath {
    static let chatCompletions: StaticString = "chat/completions"
}
