@testable import AdminAPI
import ControlPlane
import ExternalSecrets
import GatewayCore
import PostgresStore
import SecretVault
import TestKit
import Testing

/// A clock that a test sets.
struct FixedClock: WallClock {
    var now: Instant
    var monotonic: ContinuousClock.Instant { .now }
}

/// The management API over a database of its own, with tokens of every kind.
struct ManagementAPI {
    static let account: AccountID = "0123456789abcdef0123456789abcdef"
    static let otherAccount: AccountID = "fedcba9876543210fedcba9876543210"
    static let gateways = "/accounts/\(account)/ai-gateway/gateways"
    /// Where secrets may point to in these tests.
    static let rules = ReferenceRules(["env:AIG_TEST_*", "vault:kv/ai/*"])
    static let minimal = """
        "cache_invalidate_on_update":true,"cache_ttl":0,"collect_logs":true,"rate_limiting_interval":0,\
        "rate_limiting_limit":0
        """

    let pool: PostgresPool
    let vault: Vault
    let responder: AdminResponder
    let routes: [AdminRoute]
    let tokens: TokenAdministration
    let edit: String
    let read: String
    let run: String
    let foreign: String
    let expired: String
    let revoked: String

    init(
        now: Instant? = nil, egress: EgressRule = .publicAddressesOnly, settlingLimit: Duration = .seconds(2),
        limits change: (inout ProductLimits) -> Void = { _ in }
    ) async throws {
        let url = try await PostgresServer.shared.database(template: "migrated") { url in
            let folder = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
            let source = MigrationSource(directory: "/" + folder + "/migrations")
            _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
        }
        let pool = PostgresPool(url: url, size: 2)
        self.pool = pool
        // Real time unless a test says otherwise: tokens and fresh rows are compared with it.
        var seconds = try await pool.query("SELECT floor(extract(epoch FROM now()))::bigint AS s").first?.int("s") ?? 0
        if let now { seconds = Int(now.milliseconds / 1000) }
        let clock = FixedClock(now: Instant(milliseconds: Int64(seconds) * 1000))
        let vault = Vault(masterKey: try MasterKey(Secret([UInt8](repeating: 1, count: 32))))
        self.vault = vault
        let tokens = TokenAdministration(pool, clock: clock)
        self.tokens = tokens
        func token(_ account: AccountID, _ permissions: Permissions, expiresAt: Instant? = nil) async throws -> String {
            try await tokens.create(account: account, name: "t", permissions: permissions, expiresAt: expiresAt)
                .text.reveal()
        }
        edit = try await token(Self.account, .edit)
        read = try await token(Self.account, .read)
        run = try await token(Self.account, .run)
        foreign = try await token(Self.otherAccount, [.run, .read, .edit])
        expired = try await token(
            Self.account, [.run, .read, .edit], expiresAt: Instant(milliseconds: clock.now.milliseconds - 1)
        )
        let doomed = try await tokens.create(
            account: Self.account, name: "", permissions: [.run, .read, .edit], expiresAt: nil
        )
        _ = try await tokens.revoke(doomed.token.id, of: Self.account)
        revoked = doomed.text.reveal()
        var limits = ProductLimits()
        limits.gatewaysPerAccount = 30
        change(&limits)
        let routes = AdminRoutes(
            gateways: GatewayAdministration(pool, limits: limits),
            logs: LogAdministration(pool, reading: ReadingPool(pool), clock: clock, settlingLimit: settlingLimit),
            datasets: DatasetAdministration(pool),
            evaluations: EvaluationAdministration(pool, mostDatasets: limits.datasetsPerEvaluation),
            tokens: tokens,
            providerConfigs: ProviderConfigAdministration(
                pool, sealer: SecretSealer(vault: vault, rules: Self.rules),
                canonicalProvider: { ProviderID($0 == "google" ? "google-ai-studio" : $0) }
            ),
            customProviders: CustomProviderAdministration(pool, vault: vault, egress: egress),
            secretsStore: SecretsStoreAdministration(
                pool, sealer: SecretSealer(vault: vault, rules: Self.rules),
                limits: .init(stores: 3, secrets: 8)
            ),
            analytics: AnalyticsAdministration(ReadingPool(pool), clock: clock),
            logpush: LogpushAdministration(
                pool, vault: vault, egress: .publicAddressesOnly, jobLimit: limits.logpushJobsPerAccount),
            dynamicRoutes: DynamicRouteAdministration(pool, limitPerGateway: 4),
            customCosts: CustomCostAdministration(pool),
            credit: CreditAdministration(pool, clock: clock), audit: AuditAdministration(ReadingPool(pool)),
            publicURL: "https://gateway.example",
            clock: clock, limits: limits, waitForSnapshot: { _, _ in }
        ).table
        self.routes = routes
        responder = AdminResponder(
            routes: routes, tokens: tokens, clock: clock, report: { Issue.record("reported: \($0)") })
    }

    /// Sends one call with the editing token, unless another one is given.
    func send(
        _ method: String, _ path: String, query: String = "", body: String = "", token: String? = nil
    ) async -> Reply {
        Reply(
            await responder.respond(
                to: AdminRequest(
                    method: method, path: path, query: query,
                    headers: [("Authorization", "Bearer " + (token ?? edit))], body: Array(body.utf8)
                )
            )
        )
    }

    /// Makes a gateway with the five required fields.
    @discardableResult
    func makeGateway(_ id: String, more: String = "") async -> Reply {
        await send("POST", Self.gateways, body: #"{"id":"\#(id)",\#(Self.minimal)\#(more)}"#)
    }
}

/// An answer, read as JSON where it is JSON.
struct Reply {
    let status: Int
    let headers: [String: String]
    let text: String
    let document: JSONValue

    init(_ answer: AdminAnswer) {
        status = answer.status
        headers = Dictionary(answer.headers.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        text = String(decoding: answer.body, as: UTF8.self)
        document = (try? JSONValue(parsing: answer.body)) ?? .null
    }

    var result: JSONValue { document["result"] ?? .null }
    var codes: [Int] { (document["errors"]?.elements ?? []).compactMap { $0["code"]?.integer } }
    var paths: [[String]] {
        (document["errors"]?.elements ?? []).compactMap { $0["path"]?.elements?.compactMap(\.text) }
    }
    var messages: [String] { (document["errors"]?.elements ?? []).compactMap { $0["message"]?.text } }
    var ids: [String] { (result.elements ?? []).compactMap { $0["id"]?.text } }
}
