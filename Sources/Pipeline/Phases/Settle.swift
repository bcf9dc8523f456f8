import CloudflareWire
import GatewayCore
import NIOCore
import Policy
import Providers

/// Last phase: the outcome becomes a record, a count and an observation, whatever happened before.
@WorkerLoop
struct Settle {
    let environment: WorkerEnvironment

    /// What a log shows for a client that left before the end (decisions 24).
    static let clientClosedRequest = 499
    /// What a log shows for an answer that its provider broke off (providers.md §3).
    static let badGateway = 502

    func settle(
        _ outcome: Outcome, isFinal: Bool, requestedModel: String?, requestBytes: Int, requestBody: ByteBuffer?, isRequestWhole: Bool
    ) {
        let ticket = RecordTicket(outcome.id)
        let duration = environment.clock.monotonic - outcome.inbound.started
        let (status, success) = verdict(outcome)
        let provider = outcome.attempt?.route.provider.definition.id ?? ""
        let model = outcome.answeredModel ?? outcome.attempt?.model ?? requestedModel ?? ""
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

        guard let admitted = outcome.admitted, let attempt = outcome.attempt, outcome.logs else {
            return ticket.waive()
        }
        let inbound = outcome.inbound
        var record = RequestRecord(
            id: outcome.id, eventID: outcome.eventID, account: admitted.gateway.account, gateway: admitted.gateway.id,
            createdAt: inbound.receivedAt
        )
        record.provider = provider
        record.model = model
        record.path = attempt.route.path
        record.modelType = attempt.route.modelType
        record.method = inbound.head.text(inbound.head.method)
        record.requestType = outcome.client.requestType
        record.requestContentType = inbound.head.value(.contentType)
        record.responseContentType = outcome.reply?.value(.contentType)
        record.userAgent = inbound.head.value(.userAgent)
        record.status = status
        record.step = outcome.step
        record.cached = outcome.isCached
        record.success = success
        record.duration = duration
        record.firstByte = outcome.firstByte
        record.usage = outcome.usage
        (record.cost, record.customCost) = cost(outcome, attempt, model: model)
        record.metadata = admitted.settings.metadata
        record.requestSize = requestBytes
        record.responseSize = outcome.responseBytes
        if outcome.logsPayload {
            record.requestBody = requestBody
            record.requestBodyComplete = isRequestWhole
            record.responseBody = outcome.responseBody
            record.responseBodyComplete = outcome.isResponseWhole && outcome.isAnswerWhole
        }
        record.streamed = outcome.isStream
        record.authenticated = admitted.grant != nil
        record.token = admitted.grant?.id
        record.keyAlias = attempt.key?.alias
        record.errorCode = outcome.errorCode
        ticket.settle(record, into: environment.records)
    }

    private func verdict(_ outcome: Outcome) -> (status: Int, success: Bool) {
        switch outcome.ending {
        case .complete: (outcome.status, outcome.error == nil && (200..<400).contains(outcome.status))
        case .truncated: (Self.badGateway, false)
        case .clientGone:
            outcome.sawTerminal ? (outcome.status, outcome.status < 400) : (Self.clientClosedRequest, false)
        }
    }

    /// Cost in the order of providers.md §5.3: the request's own prices, the provider's figure, the price list.
    private func cost(_ outcome: Outcome, _ attempt: Attempt, model: String) -> (PicoUSD?, custom: Bool) {
        // What comes out of the store was paid for before (data-plane §4.1).
        if outcome.isCached { return (.zero, false) }
        if let custom = outcome.admitted?.settings.customCost {
            let prices = Cost.Custom(
                perTokenIn: custom.perTokenIn, perTokenOut: custom.perTokenOut,
                perCacheRead: custom.perCacheReadToken, perCacheWrite: custom.perCacheWriteToken, total: custom.total
            )
            return (Cost.custom(outcome.usage, prices), true)
        }
        if let reported = outcome.usage.upstreamCost { return (reported, false) }
        if outcome.usage.isEmpty {
            // A failed call that reports no usage costs nothing; a successful one costs we do not know what.
            let hasFailed = !(200..<400).contains(outcome.status)
            return (hasFailed ? .zero : nil, false)
        }
        guard let row = environment.prices.row(for: attempt.route.provider.definition, model: model) else {
            return (nil, false)
        }
        let amount = Cost.price(
            outcome.usage, row: row, at: outcome.inbound.receivedAt, place: attempt.route.target.place
        )
        return (amount, false)
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

    var isStream: Bool { reply.map { StreamKind(of: $0) == .sse } ?? false }
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
