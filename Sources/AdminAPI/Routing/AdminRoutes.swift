package import ControlPlane
package import GatewayCore
import PostgresStore

/// The route table: every path of the management API, whom it lets in, and the use case behind it.
///
/// - Source: control-plane §2 · documented.
package struct AdminRoutes: Sendable {
    private static let gateways = "/accounts/{account_id}/ai-gateway/gateways"
    private static let gateway = gateways + "/{gateway_id}"
    private static let customProviders = "/accounts/{account_id}/ai-gateway/custom-providers"
    private static let secretsStore = "/accounts/{account_id}/secrets_store"
    private static let secrets = secretsStore + "/stores/{store_id}/secrets"

    /// Longest wait of a write for the snapshot that contains it.
    private static let liveWithin: Duration = .milliseconds(500)

    let gatewayUseCases: GatewayAdministration
    let logUseCases: LogAdministration
    let tokenUseCases: TokenAdministration
    let providerConfigUseCases: ProviderConfigAdministration
    let customProviderUseCases: CustomProviderAdministration
    let secretsStoreUseCases: SecretsStoreAdministration
    let clock: any WallClock
    /// Waits until a version is on its way to the workers of this node.
    let waitForSnapshot: @Sendable (UInt64, Duration) async -> Void

    package init(
        gateways: GatewayAdministration, logs: LogAdministration, tokens: TokenAdministration,
        providerConfigs: ProviderConfigAdministration, customProviders: CustomProviderAdministration,
        secretsStore: SecretsStoreAdministration,
        clock: any WallClock,
        waitForSnapshot: @escaping @Sendable (UInt64, Duration) async -> Void
    ) {
        gatewayUseCases = gateways
        logUseCases = logs
        tokenUseCases = tokens
        providerConfigUseCases = providerConfigs
        customProviderUseCases = customProviders
        secretsStoreUseCases = secretsStore
        self.clock = clock
        self.waitForSnapshot = waitForSnapshot
    }

    package var table: [AdminRoute] {
        [
            AdminRoute("GET", Self.gateways) { try await listGateways($0) },
            AdminRoute("POST", Self.gateways) { try await createGateway($0) },
            AdminRoute("GET", Self.gateway) { try await getGateway($0) },
            AdminRoute("PUT", Self.gateway) { try await updateGateway($0) },
            AdminRoute("DELETE", Self.gateway) { try await deleteGateway($0) },

            AdminRoute("GET", Self.gateway + "/logs") { try await listLogs($0) },
            AdminRoute("DELETE", Self.gateway + "/logs") { try await deleteLogs($0) },
            AdminRoute("GET", Self.gateway + "/logs/{log_id}") { try await getLog($0) },
            AdminRoute("PATCH", Self.gateway + "/logs/{log_id}") { try await patchLog($0) },
            AdminRoute("GET", Self.gateway + "/logs/{log_id}/request") { try await logBody(.request, $0) },
            AdminRoute("GET", Self.gateway + "/logs/{log_id}/response") { try await logBody(.response, $0) },

            AdminRoute("GET", Self.gateway + "/provider_configs") { try await listProviderConfigs($0) },
            AdminRoute("POST", Self.gateway + "/provider_configs") { try await createProviderConfig($0) },
            AdminRoute("PUT", Self.gateway + "/provider_configs/{id}") { try await rotateProviderConfig($0) },
            AdminRoute("DELETE", Self.gateway + "/provider_configs/{id}") { try await deleteProviderConfig($0) },

            AdminRoute("GET", Self.customProviders) { try await listCustomProviders($0) },
            AdminRoute("POST", Self.customProviders) { try await createCustomProvider($0) },
            AdminRoute("GET", Self.customProviders + "/{id}") { try await getCustomProvider($0) },
            AdminRoute("PATCH", Self.customProviders + "/{id}") { try await updateCustomProvider($0) },
            AdminRoute("DELETE", Self.customProviders + "/{id}") { try await deleteCustomProvider($0) },

            AdminRoute("GET", Self.secretsStore + "/quota") { try await secretsQuota($0) },
            AdminRoute("GET", Self.secretsStore + "/stores") { try await listSecretStores($0) },
            AdminRoute("POST", Self.secretsStore + "/stores") { try await createSecretStore($0) },
            AdminRoute("GET", Self.secretsStore + "/stores/{store_id}") { try await getSecretStore($0) },
            AdminRoute("DELETE", Self.secretsStore + "/stores/{store_id}") { try await deleteSecretStore($0) },
            AdminRoute("GET", Self.secrets) { try await listSecrets($0) },
            AdminRoute("POST", Self.secrets) { try await createSecrets($0) },
            AdminRoute("DELETE", Self.secrets) { try await deleteSecrets($0) },
            AdminRoute("GET", Self.secrets + "/{secret_id}") { try await getSecret($0) },
            AdminRoute("PATCH", Self.secrets + "/{secret_id}") { try await editSecret($0) },
            AdminRoute("DELETE", Self.secrets + "/{secret_id}") { try await deleteSecret($0) },
            AdminRoute("POST", Self.secrets + "/{secret_id}/duplicate") { try await duplicateSecret($0) },

            AdminRoute("GET", "/user/tokens/verify", .anyToken) { try await verifyToken($0) },
            AdminRoute("GET", "/accounts/{account_id}/tokens/verify", .anyToken) { try await verifyToken($0) },
            AdminRoute("GET", "/accounts", .anyToken) { try await listAccounts($0) },
            AdminRoute("GET", "/accounts/{account_id}", .anyToken) { try await getAccount($0) },
            AdminRoute("GET", "/memberships", .anyToken) { try await listMemberships($0) },
        ]
    }

    /// An answer that names the snapshot version in which the change is contained.
    func changed(_ result: JSONValue, version: UInt64) async -> AdminAnswer {
        await waitForSnapshot(version, Self.liveWithin)
        var answer = Envelope.success(result)
        answer.headers.append((SnapshotHeader.name, String(version)))
        return answer
    }
}
