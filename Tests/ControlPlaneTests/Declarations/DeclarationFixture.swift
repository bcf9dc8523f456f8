import ControlPlane
import ExternalSecrets
import GatewayCore
import PostgresStore
import SecretVault
import TestKit

/// A database of its own with one account, and what applies declarations to it.
struct DeclarationFixture {
    static let account: AccountID = "0123456789abcdef0123456789abcdef"
    static let rules = ReferenceRules(["env:AIG_TEST_*"])
    static let reader = DeclarationReader(
        rules: rules, egress: .publicAddressesOnly, limits: ProductLimits(),
        canonicalProvider: { ProviderID($0 == "google" ? "google-ai-studio" : $0) }
    )

    let options: PostgresOptions
    let pool: PostgresPool
    let vault: Vault
    let administration: DeclarationAdministration

    init(gateways: Int = 100) async throws {
        let url = try await PostgresServer.shared.database(template: "migrated") { url in
            let folder = #filePath.split(separator: "/").dropLast(4).joined(separator: "/")
            let source = MigrationSource(directory: "/" + folder + "/migrations")
            _ = try await Migrator(PostgresOptions(url: url)).migrate(source.load())
        }
        options = PostgresOptions(url: url)
        pool = PostgresPool(options, size: 3)
        vault = Vault(masterKey: try MasterKey(Secret([UInt8](repeating: 1, count: 32))))
        var limits = ProductLimits()
        limits.gatewaysPerAccount = gateways
        administration = DeclarationAdministration(
            pool, sealer: SecretSealer(vault: vault, rules: Self.rules), egress: .publicAddressesOnly,
            limits: limits
        )
        _ = try await pool.query("INSERT INTO accounts (id) VALUES ($1)", [.text(Self.account.rawValue)])
    }

    /// The same database, reached through another pool.
    init(_ other: DeclarationFixture, _ pool: PostgresPool) {
        options = other.options
        self.pool = pool
        vault = other.vault
        administration = DeclarationAdministration(
            pool, sealer: SecretSealer(vault: vault, rules: Self.rules), egress: .publicAddressesOnly,
            limits: ProductLimits()
        )
    }

    var secrets: SecretsStoreAdministration {
        SecretsStoreAdministration(
            pool, sealer: SecretSealer(vault: vault, rules: Self.rules), limits: .init(stores: 9, secrets: 99))
    }

    @discardableResult
    func apply(
        _ text: String, _ pruning: DeclarationAdministration.Pruning = .keepOthers,
        _ effect: DeclarationAdministration.Effect = .lasting
    ) async throws -> DeclarationAdministration.Outcome {
        let declarations = try Self.reader.read(Array(text.utf8))
        return try await ChangeAuthor.$current.withValue(.declarations(file: "test.yaml")) {
            try await administration.apply(declarations, to: Self.account, pruning, effect)
        }
    }

    /// The changes that a file would bring, one text each.
    func changes(
        of text: String, _ pruning: DeclarationAdministration.Pruning = .keepOthers
    ) async throws -> [String] {
        try await apply(text, pruning, .rehearsal).report.changes.map { "\($0.kind.rawValue) \($0.object)" }
    }

    func export() async throws -> String { try await administration.export(of: Self.account) }

    func version() async throws -> UInt64 { try await ConfigurationRepository(pool).version() }

    /// The problems for which a file is refused; none when it is not.
    func problems(of text: String, _ pruning: DeclarationAdministration.Pruning = .keepOthers) async throws -> [String]
    {
        do {
            try await apply(text, pruning)
            return []
        } catch DeclarationFailure.refused(let problems) {
            return problems.map(\.description)
        }
    }
}
