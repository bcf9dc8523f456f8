import CloudflareWire
import GatewayCore
import NIOCore
import Providers

extension Plan {
    /// A compat call in the form of a provider with a chat format of its own.
    func translated(
        _ body: ByteBuffer, by translator: any ChatTranslator, for provider: ProviderDefinition, model: String,
        _ admitted: Admitted
    ) throws(GatewayError) -> (UpstreamTarget, body: ByteBuffer, ChatTranslation?) {
        let row = environment.prices.row(for: provider, model: model)?.row
        let facts = ChatModel(name: model, maxOutput: row?.maxOutput, capabilities: row?.capabilities)
        let result: Result<TranslatedChat, GatewayError> = body.withUnsafeReadableBytes { bytes in
            do throws(GatewayError) {
                return .success(try translator.request(bytes, for: facts))
            } catch {
                return .failure(error)
            }
        }
        let chat = try result.get()
        let target = try provider.target(
            path: chat.path, query: nil, account: admitted.gateway.account,
            workersAIAccount: environment.workersAIAccount
        )
        var terms = chat.terms
        terms.created = Int(environment.clock.now.milliseconds / 1000)
        return (target, chat.body, ChatTranslation(translator: translator, terms: terms))
    }
}
