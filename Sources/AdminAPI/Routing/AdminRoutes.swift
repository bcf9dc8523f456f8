package import ControlPlane
package import GatewayCore
import PostgresStore

/// The route table: every path of the management API, whom it lets in, and the use case behind it.
///
/// - Source: control-plane §2 · documented.
package struct AdminRoutes: Sendable {
    static let account = "/accounts/{account_id}"
    static let product = account + "/ai-gateway"
    static let secrets = account + "/secrets_store"
    static let graphQL = "/graphql"
    static let gateways = product + "/gateways"
    static let gateway = gateways + "/{gateway_id}"

    /// Longest wait of a write for the snapshot that contains it.
    private static let liveWithin: Duration = .milliseconds(500)

    let gatewayUseCases: GatewayAdministration
    let logUseCases: LogAdministration
    let datasetUseCases: DatasetAdministration
    let evaluationUseCases: EvaluationAdministration
    let tokenUseCases: TokenAdministration
    let providerConfigUseCases: ProviderConfigAdministration
    let customProviderUseCases: CustomProviderAdministration
    let secretsStoreUseCases: SecretsStoreAdministration
    let analytics: AnalyticsAdministration
    let dynamicRouteUseCases: DynamicRouteAdministration
    let customCostUseCases: CustomCostAdministration
    let creditUseCases: CreditAdministration
    let auditUseCases: AuditAdministration
    /// The data port as clients reach it.
    let publicURL: String
    let logpush: LogpushAdministration
    let clock: any WallClock
    let limits: ProductLimits
    /// Waits until a version is on its way to the workers of this node.
    let waitForSnapshot: @Sendable (UInt64, Duration) async -> Void

    package init(
        gateways: GatewayAdministration, logs: LogAdministration, datasets: DatasetAdministration,
        evaluations: EvaluationAdministration, tokens: TokenAdministration,
        providerConfigs: ProviderConfigAdministration, customProviders: CustomProviderAdministration,
        secretsStore: SecretsStoreAdministration, analytics: AnalyticsAdministration,
        logpush: LogpushAdministration,
        dynamicRoutes: DynamicRouteAdministration,
        customCosts: CustomCostAdministration, credit: CreditAdministration, audit: AuditAdministration,
        publicURL: String,
        clock: any WallClock, limits: ProductLimits = ProductLimits(),
        waitForSnapshot: @escaping @Sendable (UInt64, Duration) async -> Void
    ) {
        gatewayUseCases = gateways
        logUseCases = logs
        datasetUseCases = datasets
        evaluationUseCases = evaluations
        tokenUseCases = tokens
        providerConfigUseCases = providerConfigs
        customProviderUseCases = customProviders
        secretsStoreUseCases = secretsStore
        self.analytics = analytics
        dynamicRouteUseCases = dynamicRoutes
        customCostUseCases = customCosts
        creditUseCases = credit
        auditUseCases = audit
        self.publicURL = publicURL
        self.logpush = logpush
        self.clock = clock
        self.limits = limits
        self.waitForSnapshot = waitForSnapshot
    }

    /// Every route of every area, and the description of them all.
    package var table: [AdminRoute] {
        let routes =
            gatewayTable + gatewayURLTable + logTable + datasetTable + evaluationTable + dynamicRouteTable
            + providerConfigTable
            + customProviderTable + customCostTable + billingTable + secretsStoreTable + identityTable + tokenTable
            + auditTable
            + analyticsTable + logpushTable
        return routes + descriptionTable(of: routes)
    }

    /// An answer that names the snapshot version in which the change is contained.
    ///
    /// - Parameter name: where the same content is expected as well.
    func changed(_ result: JSONValue, version: UInt64, also name: String? = nil) async -> AdminAnswer {
        await waitForSnapshot(version, Self.liveWithin)
        var answer = Envelope.success(result, also: name)
        answer.headers.append((SnapshotHeader.name, String(version)))
        return answer
    }
}
