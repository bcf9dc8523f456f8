import CloudflareWire
import GatewayCore
import NIOCore
import Providers

extension Plan {
    /// A compat call in the form of a provider with a chat format of its own.
    func translated(
        _ body: ByteBuffer, by translator: any ChatTranslator, for provider: ProviderDefinition, model: String,
        place: CredentialPlace?, _ admitted: Admitted
    ) throws(GatewayError) -> (UpstreamTarget, TranslatedChat, ChatTranslation) {
        let row = environment.prices.row(for: provider, model: model)?.row
        let facts = ChatModel(name: model, maxOutput: row?.maxOutput, capabilities: row?.capabilities, place: place)
        let result: Result<TranslatedChat, GatewayError> = body.withUnsafeReadableBytes { bytes in
            do throws(GatewayError) {
                return .success(try translator.request(bytes, for: facts))
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
        return (target, chat, ChatTranslation(translator: translator, terms: terms))
    }

    /// A compat call of an OpenAI-shaped provider: the client's own body but for what this provider wants differently.
    func shaped(
        _ facts: CompatBody, for provider: ProviderDefinition, model: String
    ) throws(GatewayError) -> (body: ByteBuffer, ChatTranslation?, ReplyShape) {
        let surface = provider.compat.surface
        let asksForUsage = facts.isStream && !facts.includesUsage && surface?.usageOption == .ask
        let change = asksForUsage ? CompatBody.Change.addUsageOption : .modelOnly
        let shape = asksForUsage ? ReplyShape.withoutUsageChunk : .compat
        guard let dialect = surface?.dialect else { return (try facts.rewritten(model: model, change), nil, shape) }
        let row = environment.prices.row(for: provider, model: model)?.row
        let known = ChatModel(name: model, maxOutput: row?.maxOutput, capabilities: row?.capabilities)
        let body = try facts.rewritten(model: model, change) { (bytes, edits) throws(GatewayError) in
            try dialect.edit(bytes, for: known, into: &edits)
        }
        guard dialect.answers == .normalised else { return (body, nil, shape) }
        var terms = ChatTerms()
        terms.created = Int(environment.clock.now.milliseconds / 1000)
        terms.model = model
        terms.usageChunk = facts.includesUsage ? .wanted : .withheld
        let answers = DialectAnswers(provider: provider.id.rawValue)
        return (body, ChatTranslation(translator: answers, terms: terms), .compat)
    }
}
