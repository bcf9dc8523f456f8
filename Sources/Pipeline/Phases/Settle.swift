import CloudflareWire
import GatewayCore
import NIOCore
import Policy
import Providers

/// Last phase: the outcome becomes a record, a count and an observation, whatever happened before; tries that failed on the
/// way to it become records.
@WorkerLoop
struct Settle {
    let environment: WorkerEnvironment

    /// What a log shows for a client that left before the end (decisions 24).
    static let clientClosedRequest = 499
    /// What a log shows for an answer that its provider broke off (providers.md §3).
    static let badGateway = 502

    func settle(
        _ outcome: Outcome, isFinal: Bool, requestedModel: @autoclosure () -> String?, requestBytes: Int,
        requestBody: ByteBuffer?, isRequestWhole: Bool
    ) {
        let ticket = RecordTicket(outcome.id)
        let duration = environment.clock.monotonic - outcome.inbound.started
        let (status, success) = verdict(outcome)
        let provider = outcome.attempt?.route.provider.definition.id ?? ""
        let model = Self.name(outcome.answeredModel) ?? outcome.attempt?.model ?? Self.name(requestedModel()) ?? ""
        var summary = RequestSummary(
            requestType: outcome.client.requestType, provider: provider, status: status, duration: duration
        )
        summary.logID = outcome.logs ? outcome.id : nil
        summary.errorCode = outcome.errorCode
        summary.firstByte = outcome.firstByte
        summary.bytesIn = requestBytes
        summary.bytesOut = outcome.responseBytes
        summary.tokensIn = outcome.usage.input
        summary.tokensOut = outcome.usage.output
        summary.detail = outcome.error?.detail
        summary.streamed = outcome.isStream
        summary.cached = outcome.isCached
        if isFinal { environment.observer.record(.requestFinished(summary)) }

        guard let admitted = outcome.admitted, let attempt = outcome.attempt else { return ticket.waive() }
        let (cost, isCustomCost) = cost(outcome.usage, outcome, attempt, model: model)
        let payload = outcome.logsPayload ? Payload(outcome, requestBody, isRequestWhole) : nil
        // Written from where everything is: the record never exists as a value here.
        ticket.settle(into: environment.records, estimate: RequestRecord.usualLength + (payload?.length ?? 0)) { out in
            Self.writeIdentity(
                outcome.id, at: outcome.inbound.receivedAt, admitted, attempt, size: requestBytes, into: &out
            )
            if outcome.logs {
                Self.writeRequest(outcome, admitted, attempt, into: &out)
            } else {
                // Reports count it all the same (data-plane §7.1).
                out.write(.unlogged, true)
            }
            out.write(.model, model)
            out.write(.status, UInt64(clamping: status))
            out.write(.success, success)
            out.write(.duration, signed: duration.wholeMicroseconds)
            out.write(.firstByte, signed: outcome.firstByte?.wholeMicroseconds)
            out.write(.cost, signed: cost?.picoDollars)
            out.write(.customCost, isCustomCost)
            out.write(.cached, outcome.isCached)
            out.write(.responseSize, UInt64(clamping: outcome.responseBytes))
            out.write(.streamed, outcome.isStream)
            out.write(.errorCode, outcome.errorCode)
            out.write(.usage, outcome.usage)
            if outcome.logs, let reply = outcome.reply { out.write(.responseContentType, reply, .contentType) }
            payload?.write(into: &out)
        }
    }

    /// Makes a record of a try that failed and that another one follows; nothing else is counted or observed by it.
    ///
    /// It has no bodies, and nobody knows what it cost (control-plane §4.3).
    ///
    /// - Parameters:
    ///   - id: its own.
    ///   - time: when it began.
    func settle(
        _ failed: FailedTry, of outcome: Outcome, as id: LogID, at time: Instant,
        requestedModel: @autoclosure () -> String?, requestBytes: Int
    ) {
        guard let admitted = outcome.admitted, let attempt = outcome.attempt else { return }
        let model = attempt.model ?? Self.name(requestedModel()) ?? ""
        RecordTicket(id).settle(into: environment.records, estimate: RequestRecord.usualLength) { out in
            Self.writeIdentity(id, at: time, admitted, attempt, size: requestBytes, into: &out)
            Self.writeRequest(outcome, admitted, attempt, into: &out)
            out.write(.retried, true)
            out.write(.model, model)
            out.write(.status, UInt64(clamping: failed.status))
            out.write(.duration, signed: failed.duration.wholeMicroseconds)
            out.write(.firstByte, signed: failed.firstByte?.wholeMicroseconds)
            out.write(.requestBodyIsCut, requestBytes > 0)
            out.write(.responseBodyIsCut, failed.head != nil)
            out.write(.errorCode, failed.errorCode)
            guard let head = failed.head else { return }
            out.write(.streamed, StreamKind(of: head).framing != nil)
            out.write(.responseContentType, head, .contentType)
        }
    }

    /// What reports count a request by.
    private static func writeIdentity(
        _ id: LogID, at time: Instant, _ admitted: Admitted, _ attempt: Attempt, size: Int,
        into out: inout RecordEncoder
    ) {
        out.write(.idHigh, fixed: id.high)
        out.write(.idLow, fixed: id.low)
        out.write(.account, admitted.gateway.account.rawValue)
        out.write(.gateway, admitted.gateway.id.rawValue)
        out.write(.createdAt, fixed: UInt64(bitPattern: time.microseconds))
        out.write(.provider, attempt.route.provider.definition.id.rawValue)
        out.write(.requestSize, UInt64(clamping: size))
        out.write(.keyAlias, attempt.key?.alias?.rawValue)
    }

    /// What else a log entry says about the request and where it went.
    private static func writeRequest(
        _ outcome: Outcome, _ admitted: Admitted, _ attempt: Attempt, into out: inout RecordEncoder
    ) {
        let inbound = outcome.inbound
        let route = attempt.route
        outcome.eventID.write(.eventID, into: &out)
        out.write(.modelType, route.modelType)
        out.write(.path, route.path)
        let head = inbound.head
        head.withBytes { out.write(.method, UnsafeRawBufferPointer(rebasing: $0[head.method])) }
        out.write(.requestContentType, head, .contentType)
        out.write(.userAgent, head, .userAgent)
        out.write(.requestType, outcome.client.requestType)
        out.write(.step, UInt64(clamping: outcome.step))
        out.write(.metadata, admitted.settings.metadata)
        out.write(.authenticated, admitted.granted != nil)
        out.write(.token, admitted.granted?.grant.id.rawValue)
        out.write(.droppedMembers, attempt.dropped.list)
        out.write(.traceID, admitted.settings.traceID)
        out.write(.parentSpanID, admitted.settings.parentSpanID)
    }

    /// The bodies that a record keeps.
    @WorkerLoop
    private struct Payload {
        let request: ByteBuffer?
        let response: ByteBuffer?
        let isRequestCut: Bool
        let isResponseCut: Bool

        init(_ outcome: Outcome, _ request: ByteBuffer?, _ isRequestWhole: Bool) {
            self.request = request
            response = outcome.responseBody
            isRequestCut = !isRequestWhole
            isResponseCut = !(outcome.isResponseWhole && outcome.isAnswerWhole)
        }

        var length: Int { (request?.readableBytes ?? 0) + (response?.readableBytes ?? 0) }

        func write(into out: inout RecordEncoder) {
            out.write(.requestBody, request)
            out.write(.responseBody, response)
            out.write(.requestBodyIsCut, isRequestCut)
            out.write(.responseBodyIsCut, isResponseCut)
        }
    }

    /// A model's name; nil for a text that is too long to be one.
    private static func name(_ model: String?) -> String? {
        model.flatMap { $0.utf8.count <= CompatBody.modelLimit ? $0 : nil }
    }

    private func verdict(_ outcome: Outcome) -> (status: Int, success: Bool) {
        // What a stream says of itself counts more than the head that it began with (providers.md §12.3).
        if let failure = outcome.streamFailure, outcome.status < 400 { return (failure.status, false) }
        return switch outcome.ending {
        case .complete: (outcome.status, outcome.error == nil && (200..<400).contains(outcome.status))
        case .truncated(let error):
            (error.kind == .requestTimedOut ? ErrorBody(error).status : Self.badGateway, false)
        case .clientGone:
            outcome.sawTerminal ? (outcome.status, outcome.status < 400) : (Self.clientClosedRequest, false)
        }
    }

    /// Cost in the order of providers.md §5.3: the request's own prices, the provider's figure, the price list.
    ///
    /// Prices that an account gave to its own provider go before that provider's figure.
    private func cost(
        _ usage: Usage, _ outcome: Outcome, _ attempt: Attempt, model: String
    ) -> (PicoUSD?, custom: Bool) {
        // What comes out of the store was paid for before (data-plane §4.1).
        if outcome.isCached { return (.zero, false) }
        if let custom = outcome.admitted?.settings.customCost {
            let prices = Cost.Custom(
                perTokenIn: custom.perTokenIn, perTokenOut: custom.perTokenOut,
                perCacheRead: custom.perCacheReadToken, perCacheWrite: custom.perCacheWriteToken, total: custom.total
            )
            return (Cost.custom(usage, prices), true)
        }
        // A price that leaves out what was used tells nothing of the cost.
        if !usage.isEmpty, let price = attempt.route.provider.customPrice(of: model),
            let amount = Cost.price(usage, row: price, at: outcome.inbound.receivedAt)
        {
            return (amount, true)
        }
        if let reported = usage.upstreamCost { return (reported, false) }
        if usage.isEmpty {
            // A failed call that reports no usage costs nothing; a successful one costs we do not know what.
            let hasFailed = !(200..<400).contains(outcome.status)
            return (hasFailed ? .zero : nil, false)
        }
        guard let row = environment.prices.row(for: attempt.route.provider.definition, model: model) else {
            return (nil, false)
        }
        let amount = Cost.price(
            usage, row: row, at: outcome.inbound.receivedAt, place: attempt.route.target.place
        )
        return (amount, false)
    }
}

extension RecordEncoder {
    /// Writes the value of the first header field of a kind, if there is one.
    fileprivate mutating func write(_ field: RecordField, _ head: RequestHead, _ kind: FieldKind) {
        for slice in head.fields where slice.kind == kind {
            return head.withBytes { write(field, UnsafeRawBufferPointer(rebasing: $0[slice.value])) }
        }
    }

    fileprivate mutating func write(_ field: RecordField, _ head: ResponseHead, _ kind: FieldKind) {
        for slice in head.fields where slice.kind == kind {
            return head.withBytes { write(field, UnsafeRawBufferPointer(rebasing: $0[slice.value])) }
        }
    }
}

extension Outcome {
    /// Whether the answer was relayed to its end, whatever its status says.
    var isAnswerWhole: Bool {
        switch ending {
        case .complete: true
        case .clientGone: sawTerminal
        case .truncated: false
        }
    }
}

extension Inbound {
    /// How logs name the surface.
    var requestType: String {
        switch address.surface {
        case .compat: "compat"
        case .universal: "universal"
        case .native, .health, .readiness, .elsewhere: "native"
        }
    }
}

/// What kind of model a path calls, as logs name it.
enum ModelType {
    private static let endings: [(StaticString, String)] = [
        ("chat/completions", "chat"), ("/messages", "chat"), (":generateContent", "chat"),
        (":streamGenerateContent", "chat"), ("/converse", "chat"), ("/converse-stream", "chat"), ("responses", "chat"),
        ("completions", "completion"), ("embeddings", "embeddings"), (":embedContent", "embeddings"),
        ("images/generations", "image"), ("images/edits", "image"), ("audio/speech", "speech"),
        ("audio/transcriptions", "transcription"), ("moderations", "moderation"),
    ]

    static func of(path: UnsafeRawBufferPointer) -> String? {
        for (ending, type) in endings {
            let length = ending.utf8CodeUnitCount
            if path.count >= length, ending.equals(path, path.count - length..<path.count) { return type }
        }
        return nil
    }
}
