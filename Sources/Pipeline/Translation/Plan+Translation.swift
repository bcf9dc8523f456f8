import CloudflareWire
import GatewayCore
import NIOCore
import Policy
import Providers

extension Plan {
    /// A model as the catalogue knows it.
    func chatModel(_ model: String, of provider: ProviderDefinition) -> ChatModel {
        let row = environment.prices.row(for: provider, model: model)?.row
        return ChatModel(name: model, maxOutput: row?.maxOutput, capabilities: row?.capabilities)
    }

    /// A compat call in the form of a provider with a chat format of its own.
    func translated(
        _ body: ByteBuffer, with supplements: ChatSupplements, by translator: any ChatTranslator,
        for provider: ProviderDefinition, model: String, place: CredentialPlace?, _ admitted: Admitted
    ) throws(GatewayError) -> (UpstreamTarget, TranslatedChat, ChatTranslation) {
        var facts = chatModel(model, of: provider)
        facts.place = place
        let result: Result<TranslatedChat, GatewayError> = body.withUnsafeReadableBytes { bytes in
            do throws(GatewayError) {
                return .success(try translator.request(bytes, for: facts, with: supplements))
            } catch {
                return .failure(error)
            }
        }
        let chat = try result.get()
        let target = try provider.target(
            path: chat.path, query: chat.query, account: admitted.gateway.account,
            workersAIAccount: environment.workersAIAccount
        )
        var terms = chat.terms
        terms.created = Int(environment.clock.now.milliseconds / 1000)
        let notes = translator.reasoning.map { (kind: $0, scope: Supply.scope(of: $0, admitted)) }
        return (target, chat, ChatTranslation(translator: translator, terms: terms, notes: notes))
    }

    /// A compat call of an OpenAI-shaped provider: the client's own body but for what this provider wants differently.
    func shaped(
        _ call: CompatCall, for provider: ProviderDefinition, model: String
    ) throws(GatewayError) -> (body: ByteBuffer, ChatTranslation?, ReplyShape, DroppedMembers) {
        let facts = call.facts
        var dropped = DroppedMembers()
        if let adapter = call.adapter {
            let (body, translation) = try adapted(facts.bytes, by: adapter, model: model)
            return (body, translation, .compat, dropped)
        }
        guard call.endpoint == .chat else {
            return (try facts.rewritten(model: model, .modelOnly), nil, .compat, dropped)
        }
        let surface = provider.compat.surface
        let asksForUsage = facts.isStream && !facts.includesUsage && surface?.usageOption == .ask
        let change = asksForUsage ? CompatBody.Change.addUsageOption : .modelOnly
        let shape = asksForUsage ? ReplyShape.withoutUsageChunk : .compat
        guard let dialect = surface?.dialect else {
            return (try facts.rewritten(model: model, change), nil, shape, dropped)
        }
        let known = chatModel(model, of: provider)
        let body = try facts.rewritten(model: model, change) { (bytes, edits) throws(GatewayError) in
            try dialect.edit(bytes, for: known, into: &edits, noting: &dropped)
        }
        guard dialect.answers == .normalised else { return (body, nil, shape, dropped) }
        var terms = ChatTerms()
        terms.created = Int(environment.clock.now.milliseconds / 1000)
        terms.model = model
        terms.usageChunk = facts.includesUsage ? .wanted : .withheld
        let answers = DialectAnswers(provider: provider.id.rawValue)
        return (body, ChatTranslation(translator: answers, terms: terms), .compat, dropped)
    }

    /// A request for embeddings that goes to an OpenAI-shaped surface with some members changed.
    func adapted(
        _ body: ByteBuffer, by adapter: EmbeddingAdapter, model: String
    ) throws(GatewayError) -> (ByteBuffer, ChatTranslation) {
        let result: Result<TranslatedChat, GatewayError> = body.withUnsafeReadableBytes { bytes in
            do throws(GatewayError) {
                return .success(try adapter.request(bytes, for: ChatModel(name: model)))
            } catch {
                return .failure(error)
            }
        }
        let request = try result.get()
        return (request.body, ChatTranslation(translator: adapter, terms: request.terms))
    }

    /// One call with a body of the gateway's own making.
    ///
    /// - Parameter head: up to the body's framing.
    func sent(
        _ target: UpstreamTarget, _ head: UpstreamHead, _ body: ByteBuffer, _ admitted: Admitted
    ) -> UpstreamRequest {
        let framing = BodyFraming.length(body.readableBytes)
        var head = head
        head.finish(framing)
        return UpstreamRequest(
            origin: target.origin, head: head.buffer, framing: framing, body: RequestBody(complete: body),
            egress: target.egress, firstByteTimeout: admitted.settings.timeout
        )
    }
}

extension Attempt {
    /// In whose form the client gets the answer.
    var surface: CacheKeyParts.Surface {
        if reply == .asIs { return .native }
        return translation?.translator is ResponsesAnswers ? .responses : .compat
    }
}
