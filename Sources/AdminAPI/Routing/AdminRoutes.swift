package import ControlPlane
package import GatewayCore
import PostgresStore

/// The route table: every path of the management API, whom it lets in, and the use case behind it.
///
/// - Source: control-plane §2 · documented.
package struct AdminRoutes: Sendable {
    static let account = "/accounts/{account_id}"
    static let product = account + "/ai-gateway"
    static let gateways = product + "/gateways"
    static let gateway = gateways + "/{gateway_id}"

    /// Longest wait of a write for the snapshot that contains it.
    private static let liveWithin: Duration = .milliseconds(500)

    let gatewayUseCases: GatewayAdministration
    let logUseCases: LogAdministration
    let tokenUseCases: TokenAdministration
    let providerConfigUseCases: ProviderConfigAdministration
    let customProviderUseCases: CustomProviderAdministration
    let secretsStoreUseCases: SecretsStoreAdministration
    let analytics: AnalyticsAdministration
    let clock: any WallClock
    /// Waits until a version is on its way to the workers of this node.
    let waitForSnapshot: @Sendable (UInt64, Duration) async -> Void

    package init(
        gateways: GatewayAdministration, logs: LogAdministration, tokens: TokenAdministration,
        providerConfigs: ProviderConfigAdministration, customProviders: CustomProviderAdministration,
        secretsStore: SecretsStoreAdministration, analytics: AnalyticsAdministration,
        clock: any WallClock,
        waitForSnapshot: @escaping @Sendable (UInt64, Duration) async -> Void
    ) {
        gatewayUseCases = gateways
        logUseCases = logs
        tokenUseCases = tokens
        providerConfigUseCases = providerConfigs
        customProviderUseCases = customProviders
        secretsStoreUseCases = secretsStore
        self.analytics = analytics
        self.clock = clock
        self.waitForSnapshot = waitForSnapshot
    }

    /// Every route of every area, and the description of them all.
    package var table: [AdminRoute] {
        let routes =
            gatewayTable + logTable + providerConfigTable + customProviderTable + secretsStoreTable + tokenTable
            + analyticsTable
        return routes + descriptionTable(of: routes)
    }

    /// An answer that names the snapshot version in which the change is contained.
    func changed(_ result: JSONValue, version: UInt64) async -> AdminAnswer {
        await waitForSnapshot(version, Self.liveWithin)
        var answer = Envelope.success(result)
        answer.headers.append((SnapshotHeader.name, String(version)))
        return answer
    }
}
