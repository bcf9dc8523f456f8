package import ExternalSecrets
import GatewayCore
package import PostgresStore
package import SecretVault

/// Values of stored secrets, for exporters that name one.
package struct ExportSecrets: Sendable {
    private let secrets: SecretRepository
    private let vault: Vault
    private let external: ExternalSecrets

    package init(_ pool: PostgresPool, vault: Vault, external: ExternalSecrets) {
        secrets = SecretRepository(pool)
        self.vault = vault
        self.external = external
    }

    /// The value of an account's secret of the scope `ai_gateway`; references are followed each time.
    func value(named name: String, of account: AccountID) async throws(DeliveryFailure) -> Secret<String> {
        do {
            guard let (id, text) = try await secrets.sealed(named: name, of: account) else {
                throw DeliveryFailure.later("there is no secret called \(name) with the scope ai_gateway")
            }
            var value = try vault.open(text.envelope, account: account, secretID: id)
            if text.kind == .reference {
                guard let reference = try SecretReference(String(decoding: value.reveal(), as: UTF8.self)) else {
                    throw DeliveryFailure.later("the secret \(name) points nowhere")
                }
                value = try await external.value(of: reference)
            }
            return Secret(String(decoding: value.reveal(), as: UTF8.self))
        } catch let failure as DeliveryFailure {
            throw failure
        } catch {
            throw .later("the secret \(name) cannot be read: \(error)")
        }
    }
}
