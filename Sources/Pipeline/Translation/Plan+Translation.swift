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
}
