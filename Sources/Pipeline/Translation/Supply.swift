import CloudflareWire
import GatewayCore
import NIOCore
import Providers

/// For compat calls of a few providers: gets what the client's request does not hold but the provider's needs
/// (providers.md §8.4, §8.6, §11.3).
///
/// What the gateway remembers is got between Admit and Plan. What lies on hosts that the client names is fetched only
/// when nothing but the provider is left to ask, so that neither a stored answer nor a refused request fetches.
@WorkerLoop
struct Supply {
    let environment: WorkerEnvironment
    let cancel: CancelHook

    /// The call, written with everything that it needs but for media on the web, which it then awaits.
    ///
    /// - Errors: those of `Plan.compat`; `.badChatCompletion` where media are not fetched, or not as many.
    func attempt(
        _ plan: Plan, _ admitted: Admitted, _ reading: CompatReading
    ) async throws(GatewayError) -> Attempt {
        if let echo = reading.echo { return try await attempt(plan, admitted, reading, echo) }
        guard let translator = reading.call.translator else {
            return try plan.compat(admitted, reading, ChatSupplements())
        }
        let model = plan.chatModel(reading.model, of: reading.provider.definition)
        var supplements = ChatSupplements()
        let (calls, addresses) = reading.call.facts.bytes.withUnsafeReadableBytes { body in
            (
                translator.reasoning == nil ? [] : translator.callsWithoutReasoning(body, for: model),
                translator.remoteMedia(body, for: model)
            )
        }
        if let kind = translator.reasoning, !calls.isEmpty {
            supplements.reasoning = await environment.reasoning.find(
                calls, of: kind, in: Self.scope(of: kind, admitted)
            )
        }
        guard !addresses.isEmpty else { return try plan.compat(admitted, reading, supplements) }
        guard environment.mediaFetching == .on else {
            throw MediaFetch.refusal("addresses of images are not fetched here; send the image as a data URL")
        }
        let awaited = try AwaitedMedia(addresses, reading, supplements)
        for address in awaited.addresses { supplements.media[address] = AwaitedMedia.placeholder }
        return try plan.compat(admitted, reading, supplements, awaiting: awaited)
    }

    /// The call with the media that it awaits.
    ///
    /// - Errors: those of `Plan.compat`; `.badChatCompletion` for media that cannot be had.
    func completed(_ awaited: AwaitedMedia, _ admitted: Admitted) async throws(GatewayError) -> Attempt {
        let fetch = MediaFetch(awaited.addresses, environment: environment)
        defer { fetch.release() }
        var supplements = awaited.supplements
        supplements.media = try await fetch.result(cancel)
        return try Plan(environment: environment).compat(admitted, awaited.reading, supplements)
    }

    private func attempt(
        _ plan: Plan, _ admitted: Admitted, _ reading: CompatReading, _ echo: ReasoningEcho
    ) async throws(GatewayError) -> Attempt {
        let body = reading.call.facts.bytes
        let calls = body.withUnsafeReadableBytes { echo.callsWithoutReasoning($0) }
        guard !calls.isEmpty else { return try plan.compat(admitted, reading, ChatSupplements()) }
        let known = await environment.reasoning.find(calls, of: .text, in: Self.scope(of: .text, admitted))
        var completed = reading
        completed.call = try reading.call.with(body: echo.completed(body, with: known))
        return try plan.compat(admitted, completed, ChatSupplements())
    }

    /// Where a request's reasoning is remembered: what a model thought is content, which not every gateway wants to be
    /// stored; signatures say nothing to anybody.
    nonisolated static func scope(of kind: ReasoningKind, _ admitted: Admitted) -> ReasoningScope {
        let settings = admitted.settings
        let mayBeStored =
            kind == .signature || (settings.collectLog && settings.collectLogPayload && !settings.zdr)
        return ReasoningScope(
            account: admitted.gateway.account, gateway: admitted.gateway.id, reach: mayBeStored ? .fleet : .worker
        )
    }
}
