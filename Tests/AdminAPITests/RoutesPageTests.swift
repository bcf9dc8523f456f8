import AdminAPI
import ControlPlane
import ExternalSecrets
import GatewayCore
import PostgresStore
import SecretVault
import TestKit
import Testing

@Suite("The page of the management API")
struct RoutesPageTests {
    /// The route table; none of its operations is called, so no database is needed.
    private func table() throws -> [AdminRoute] {
        let pool = PostgresPool(url: "postgres://nobody@127.0.0.1:1/none", size: 1)
        let clock = FixedClock(now: Instant(milliseconds: 0))
        let vault = Vault(masterKey: try MasterKey(Secret([UInt8](repeating: 1, count: 32))))
        return AdminRoutes(
            gateways: GatewayAdministration(pool),
            logs: LogAdministration(pool, reading: ReadingPool(pool), clock: clock),
            datasets: DatasetAdministration(pool), evaluations: EvaluationAdministration(pool),
            tokens: TokenAdministration(pool, clock: clock),
            providerConfigs: ProviderConfigAdministration(
                pool, sealer: SecretSealer(vault: vault, rules: ReferenceRules([])),
                canonicalProvider: { ProviderID($0) }),
            customProviders: CustomProviderAdministration(pool, vault: vault, egress: .publicAddressesOnly),
            secretsStore: SecretsStoreAdministration(
                pool, sealer: SecretSealer(vault: vault, rules: ReferenceRules([])),
                limits: .init(stores: 3, secrets: 8)
            ),
            analytics: AnalyticsAdministration(ReadingPool(pool), clock: clock),
            logpush: LogpushAdministration(pool, vault: vault, egress: .publicAddressesOnly),
            dynamicRoutes: DynamicRouteAdministration(pool), customCosts: CustomCostAdministration(pool),
            credit: CreditAdministration(pool, clock: clock), audit: AuditAdministration(ReadingPool(pool)),
            publicURL: "https://gateway.example",
            clock: clock, waitForSnapshot: { _, _ in }
        ).table
    }

    @Test("has one row for every route, with the permission it asks for, and none for anything else")
    func routes() throws {
        let rows = try DocumentationPage("api.md").rows(under: "method")
        let documented = rows.map { row in "\(row[0]) \(row[1].withoutCodeMarks) \(row[2])" }
        let actual = try table().map { route in
            return "\(route.method) \(route.template) \(route.requirement.word)"
        }
        #expect(Set(documented) == Set(actual))
        #expect(documented.count == actual.count, "a route has more than one row")
        for row in rows { #expect(row.count == 4 && row[3].count > 5, "\(row[0]) \(row[1]) is not explained") }
    }
}
