import GatewayCore
import PostgresStore
import Testing

@testable import ControlPlane

@Suite("Files of declarations, applied")
struct DeclarationImportTests {
    /// Everything that can be declared, with nothing that has to be there before.
    private static let full = """
        version: 1
        gateways:
          - id: production
            authentication: true
            cache_ttl: 300
            rate_limiting_interval: 60
            rate_limiting_limit: 1000
            rate_limiting_technique: sliding
            log_management: 50000
            log_management_strategy: DELETE_OLDEST
            retry_max_attempts: 3
            retry_backoff: exponential
            logpush_public_key: |
              -----BEGIN PUBLIC KEY-----
              MIIB
              -----END PUBLIC KEY-----
            dlp: {enabled: true, action: FLAG, profiles: [b, a]}
            guardrails: {prompt: {S1: BLOCK}, response: {}}
            otel:
              - {url: "https://collector.example/v1/traces", headers: {x-team: search}, authorization: collector}
            spend_limits:
              enabled: true
              rules:
                - {limit: 10.50, limitType: cost, window: 86400, metadata: {team: {mode: partition}}}
            provider_configs:
              - {provider_slug: openai, default_config: true, reference: "env:AIG_TEST_OPENAI", rate_limit: 5}
              - {provider_slug: google, alias: other, default_config: false, reference: "env:AIG_TEST_GOOGLE"}
            routes:
              - name: support
                elements:
                  - {id: start, type: start, outputs: {next: {elementId: a}}}
                  - id: a
                    type: model
                    properties: {provider: openai, model: gpt-5-mini, timeout: 3.0e4, retries: 1}
                    outputs: {success: {elementId: end}, fallback: {elementId: end}}
                  - {id: end, type: end, outputs: {}}
          - id: default
            authentication: true
        custom_providers:
          - slug: acme
            name: Acme AI
            base_url: https://ai.acme.example/v1
            enable: true
            headers: {X-Region: eu, X-Key: canary-header-value}
            costs:
              - {model: big, cost_in: 2.5e-06, cost_out: 0.00001}
              - {model: "small-", model_rule: starts-with, token_pricing: {input_tokens: 1.0e-7}, weight: 3}
              - {model: big, cost_in: 0.000003, enable: false}
        """

    @Test("a file applied twice changes nothing the second time, and its export changes nothing either")
    func idempotent() async throws {
        let fixture = try await DeclarationFixture()
        let before = try await fixture.version()
        let first = try await fixture.apply(Self.full)
        #expect(first.report.created == 9 && first.report.updated == 0 && first.report.deleted == 0)
        let version = try await fixture.version()
        #expect(first.version == version && version > before)
        for text in [Self.full, try await fixture.export()] {
            #expect(try await fixture.changes(of: text, .deleteOthers) == [])
            let again = try await fixture.apply(text, .deleteOthers)
            #expect(again.version == nil && again.report.changes.isEmpty)
        }
        #expect(try await fixture.version() == version)
        let row = try #require(try await fixture.pool.query("SELECT count(*) AS n FROM dynamic_route_versions").first)
        #expect(try row.int("n") == 1)
    }

    @Test("an export is sorted, names no secret value, and applied to an empty database gives the same export")
    func roundTrip() async throws {
        let fixture = try await DeclarationFixture()
        try await fixture.apply(Self.full)
        let exported = try await fixture.export()
        #expect(!exported.contains("canary") && !exported.contains("search") && !exported.contains("created_at"))
        #expect(exported.contains("X-Key: '****'") || exported.contains("X-Key: \"****\""))
        #expect(exported.contains("reference: env:AIG_TEST_OPENAI"))
        #expect(exported.contains("provider_slug: google-ai-studio"))
        #expect(exported.contains("cost_in: 0.0000025"))
        let first = try #require(exported.firstRange(of: "id: default")?.lowerBound)
        #expect(first < (try #require(exported.firstRange(of: "id: production")?.lowerBound)))

        // Header values are nowhere to be kept from in an empty database; each of them is told.
        let empty = try await DeclarationFixture()
        let problems = try await empty.problems(of: exported)
        #expect(problems.count == 2 && problems.allSatisfy { $0.contains("**** keeps the value") }, "\(problems)")
        #expect(problems.contains { $0.contains("otel[0].headers.x-team") })
        #expect(problems.contains { $0.contains("custom_providers[0].headers.X-Key") })
        #expect(try await empty.export().contains("gateways: []"))
        let complete = exported.replacing("'****'", with: "given").replacing("\"****\"", with: "given")
        try await empty.apply(complete)
        #expect(try await empty.export() == exported)
        #expect(try await empty.changes(of: complete, .deleteOthers) == [])
    }

    @Test("a rehearsal changes nothing, and what it tells is what happens then")
    func rehearsal() async throws {
        let fixture = try await DeclarationFixture()
        try await fixture.apply(Self.full)
        let version = try await fixture.version()
        let exported = try await fixture.export()
        let changed = Self.full.replacing("cache_ttl: 300", with: "cache_ttl: 600")
            .replacing("model: gpt-5-mini", with: "model: gpt-5").replacing(
                "X-Key: canary-header-value", with: "X-Key: other"
            )
            .replacing("x-team: search", with: "x-team: ads").replacing("enable: true\n    headers", with: "headers")
        let rehearsed = try await fixture.apply(changed, .keepOthers, .rehearsal).report
        #expect(try await fixture.version() == version)
        #expect(try await fixture.export() == exported)
        let lines = rehearsed.lines
        #expect(lines.contains("    cache_ttl: 300 -> 600"), "\(lines)")
        #expect(lines.contains("    elements.a.properties.model: \"gpt-5-mini\" -> \"gpt-5\""), "\(lines)")
        #expect(lines.contains("    otel.0.headers.x-team: its value changes"), "\(lines)")
        #expect(lines.contains("    headers: their values change"), "\(lines)")
        #expect(!lines.joined().contains("canary") && !lines.joined().contains("ads"))
        let applied = try await fixture.apply(changed).report
        #expect(applied == rehearsed && applied.updated == 3 && applied.created == 0)
        // A changed route has a new version, which is in force.
        let route = try #require(
            try await DynamicRouteRepository(fixture.pool).all(of: DeclarationFixture.account).first)
        #expect(route.version.elements.contains("\"gpt-5\"") && route.version.isValid)
        let versions = try await DynamicRouteAdministration(fixture.pool).versions(
            of: route.id, route.gateway, in: DeclarationFixture.account, page: PageRequest())
        #expect(versions.total == 2)
    }

    @Test("what the file does not name stays, and goes with pruning from the sections that the file has")
    func pruning() async throws {
        let fixture = try await DeclarationFixture()
        try await fixture.apply(Self.full)
        try await fixture.apply("version: 1\ngateways: [{id: old, authentication: false}]")
        let less = """
            version: 1
            gateways:
              - id: production
                authentication: true
            """
        // Left out members get their standard; nested lists stay.
        #expect(try await fixture.changes(of: less) == ["~ gateway production"])
        #expect(
            Set(try await fixture.changes(of: less, .deleteOthers)) == [
                "~ gateway production", "- provider config production/openai/default",
                "- provider config production/google-ai-studio/other", "- route production/support", "- gateway old",
            ])
        try await fixture.apply(less, .deleteOthers)
        let exported = try await fixture.export()
        // The default gateway makes itself and is never taken away; there was no word of custom providers.
        #expect(exported.contains("id: default") && exported.contains("slug: acme") && !exported.contains("id: old"))
        #expect(!exported.contains("AIG_TEST") && !exported.contains("support") && !exported.contains("otel"))
        let secrets = try await fixture.pool.query("SELECT FROM secrets")
        #expect(secrets.isEmpty, "what was made for provider configs goes with them")
        #expect(
            try await fixture.changes(of: "version: 1\ncustom_providers: []", .deleteOthers) == [
                "- custom provider acme"
            ])
        #expect(try await fixture.changes(of: "version: 1", .deleteOthers) == [])
    }

    @Test("a secret is found by its name and its store, and a missing one changes nothing")
    func secrets() async throws {
        let fixture = try await DeclarationFixture()
        func file(_ key: String) -> String {
            """
            version: 1
            gateways:
              - id: a
                authentication: true
                provider_configs:
                  - {provider_slug: openai, default_config: true\(key)}
              - id: b
                authentication: true
                store: nowhere
            """
        }
        let problems = try await fixture.problems(of: file(", secret: my-key"))
        #expect(
            problems == [
                "gateways[0].provider_configs[0].secret (line 6): There is no secret of this name: the account has no "
                    + "secrets store yet",
                "gateways[1].store (line 9): There is no secrets store nowhere",
            ])
        #expect(try await fixture.export().contains("gateways: []"))
        let known = try await fixture.secrets.put(
            "my-key", value: "canary-secret", scopes: ["ai_gateway"], comment: nil, of: DeclarationFixture.account
        ).value
        _ = try await fixture.secrets.put(
            "for-workers", value: "canary-secret", scopes: ["workers"], comment: nil, of: DeclarationFixture.account)
        let right = file(", secret: my-key").replacing("store: nowhere", with: "store: default_secrets_store")
        try await fixture.apply(right)
        let config = try #require(
            try await fixture.pool.query("SELECT secret_id, secret_preview FROM provider_configs").first)
        #expect(try config.text("secret_id") == known.id.rawValue)
        let exported = try await fixture.export()
        #expect(exported.contains("secret: my-key") && exported.contains("store: default_secrets_store"))
        #expect(!exported.contains("canary"))
        #expect(try await fixture.changes(of: exported, .deleteOthers) == [])
        let other = right.replacing("secret: my-key", with: "secret: for-workers")
        #expect(try await fixture.problems(of: other).first?.contains("scope ai_gateway") ?? false)
        // From a secret by name to a place outside, and on to another one.
        for place in ["env:AIG_TEST_ONE", "env:AIG_TEST_TWO"] {
            let text = right.replacing("secret: my-key", with: "reference: \"\(place)\"")
            #expect(try await fixture.changes(of: text) == ["~ provider config a/openai/default"])
            try await fixture.apply(text)
            #expect(try await fixture.export().contains("reference: \(place)"))
            #expect(try await fixture.changes(of: text) == [])
        }
        #expect(try await fixture.pool.query("SELECT FROM secrets WHERE owned").count == 1)
        // And back: the config's own secret goes.
        try await fixture.apply(right)
        #expect(try await fixture.pool.query("SELECT FROM secrets WHERE owned").isEmpty)
    }

    @Test("a new default config takes the place of the former one, and says so")
    func defaults() async throws {
        let fixture = try await DeclarationFixture()
        func config(_ alias: String, _ isDefault: Bool) -> String {
            "{provider_slug: openai, alias: \(alias), default_config: \(isDefault), reference: \"env:AIG_TEST_X\"}"
        }
        func file(_ configs: String...) -> String {
            "version: 1\ngateways: [{id: a, authentication: true, provider_configs: [\(configs.joined(separator: ", "))]}]"
        }
        try await fixture.apply(file(config("one", true), config("two", false)))
        let other = try await fixture.apply(file(config("three", true))).report
        #expect(
            other.lines.contains("~ provider config a/openai/one")
                && other.lines.contains("    default_config: true -> false"))
        let swapped = file(config("one", true), config("three", false), config("two", false))
        #expect(try await fixture.apply(swapped).report.updated == 2)
        #expect(try await fixture.changes(of: swapped, .deleteOthers) == [])
        #expect(
            try await fixture.problems(of: file(config("one", true), config("two", true)))
                == [
                    "gateways[0].provider_configs[1].default_config (line 2): The provider has another default config in "
                        + "this gateway"
                ])
    }

    @Test("a limit that the file exceeds undoes everything")
    func limits() async throws {
        let fixture = try await DeclarationFixture(gateways: 2)
        let three = (1...3).map { "{id: g\($0), authentication: true}" }.joined(separator: ", ")
        let version = try await fixture.version()
        let problems = try await fixture.problems(of: "version: 1\ngateways: [\(three)]")
        #expect(problems == ["gateways[2].id (line 2): This account has reached its limit of gateways"])
        #expect(try await fixture.export().contains("gateways: []"))
        #expect(try await fixture.version() == version)
        // What goes makes room.
        try await fixture.apply("version: 1\ngateways: [{id: a, authentication: true}, {id: b, authentication: true}]")
        let other = "version: 1\ngateways: [{id: b, authentication: true}, {id: c, authentication: true}]"
        #expect(try await fixture.problems(of: other).count == 1)
        #expect(try await fixture.apply(other, .deleteOthers).report.created == 1)
    }

    @Test("every entry of the audit log names the file, and no header value is in it")
    func audit() async throws {
        let fixture = try await DeclarationFixture()
        try await fixture.apply(Self.full)
        let entries = try await AuditRepository(fixture.pool).list(
            of: DeclarationFixture.account, .init(), after: nil, limit: 100)
        #expect(entries.count >= 9)
        for entry in entries {
            #expect(try JSONValue(parsing: entry.author).says(["type": "import", "id": "test.yaml"]))
            #expect(!((entry.newValue ?? "") + (entry.oldValue ?? "")).contains("canary"))
        }
    }

    @Test("two imports at the same time come one after the other")
    func concurrent() async throws {
        let fixture = try await DeclarationFixture()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<2 { group.addTask { try await fixture.apply(Self.full).report.created } }
            var created: [Int] = []
            for try await count in group { created.append(count) }
            #expect(created.sorted() == [0, 9])
        }
    }

    @Test("an unknown account and a lost database are told apart")
    func places() async throws {
        let fixture = try await DeclarationFixture()
        let declarations = try DeclarationFixture.reader.read(Array("version: 1".utf8))
        await #expect(throws: DeclarationFailure.noSuchAccount) {
            try await fixture.administration.apply(
                declarations, to: "00000000000000000000000000000000", .keepOthers, .lasting)
        }
        let nowhere = DeclarationAdministration(
            PostgresPool(url: "postgres://nobody@127.0.0.1:1/none"),
            sealer: SecretSealer(vault: fixture.vault, rules: DeclarationFixture.rules), egress: .publicAddressesOnly,
            limits: ProductLimits()
        )
        await #expect(throws: DeclarationFailure.storeUnavailable) {
            try await nowhere.apply(declarations, to: DeclarationFixture.account, .keepOthers, .lasting)
        }
    }

    @Test("an exporter's value stays its own when several have one URL, and goes to no other host")
    func exporters() async throws {
        let fixture = try await DeclarationFixture()
        func file(_ exporters: String...) -> String {
            "version: 1\ngateways: [{id: g, authentication: true, otel: [\(exporters.joined(separator: ", "))]}]"
        }
        func exporter(_ key: String, _ url: String = "https://otel.example/v1") -> String {
            "{url: \"\(url)\", headers: {x-key: \"\(key)\"}}"
        }
        func keys() async throws -> [String] {
            let row = try #require(try await fixture.pool.query("SELECT otel FROM gateways").first)
            return (try JSONValue(parsing: try row.text("otel")).elements ?? []).map {
                $0["headers"]?["x-key"]?.text ?? ""
            }
        }
        try await fixture.apply(file(exporter("K1"), exporter("K2")))
        let exported = try await fixture.export()
        #expect(try await fixture.changes(of: exported, .deleteOthers) == [])
        try await fixture.apply(exported)
        #expect(try await keys() == ["K1", "K2"])
        let problems = try await fixture.problems(
            of: file(exporter("****", "https://else.example/v1"), exporter("****"), exporter("****")))
        #expect(problems.count == 1 && problems[0].hasPrefix("gateways[0].otel[0].headers.x-key (line 2): "))
        #expect(try await keys() == ["K1", "K2"])
    }

    @Test("another order of rules is a change, and none any more when it is made")
    func order() async throws {
        let fixture = try await DeclarationFixture()
        func file(_ ids: [String]) -> String {
            let rules = ids.map { "{id: \($0), limit: 1, limitType: cost, window: 60}" }.joined(separator: ", ")
            return """
                version: 1
                gateways:
                  - {id: a, authentication: true, spend_limits: {enabled: true, rules: [\(rules)]}}
                """
        }
        try await fixture.apply(file(["one", "two"]))
        #expect(try await fixture.changes(of: file(["one", "two"])) == [])
        #expect(
            try await fixture.changes(of: file(["two", "one"])) == ["~ gateway a"])
        try await fixture.apply(file(["two", "one"]))
        #expect(try await fixture.changes(of: file(["two", "one"])) == [])
    }

    @Test("a secret that a file still names outlives the provider config that it was made for")
    func ownedSecrets() async throws {
        let fixture = try await DeclarationFixture()
        func file(_ gateway: String, _ alias: String, _ key: String) -> String {
            """
            version: 1
            gateways:
              - id: \(gateway)
                authentication: true
                provider_configs:
                  - {provider_slug: openai, alias: \(alias), default_config: true, \(key)}
            """
        }
        func secrets() async throws -> [String] {
            try await fixture.pool.query("SELECT name FROM secrets ORDER BY name").map { try $0.text("name") }
        }
        try await fixture.apply(file("prod", "default", "reference: \"env:AIG_TEST_A\""))
        #expect(try await secrets() == ["prod_openai_default"])
        // Another alias, then another gateway, each with the key of the one that goes.
        let renamed = file("prod", "main", "secret: prod_openai_default")
        #expect(try await fixture.problems(of: renamed, .deleteOthers) == [])
        let moved = file("live", "main", "secret: prod_openai_default")
        #expect(try await fixture.problems(of: moved, .deleteOthers) == [])
        #expect(try await secrets() == ["prod_openai_default"])
        #expect(try await fixture.changes(of: moved, .deleteOthers) == [])
        #expect(try await fixture.export().contains("reference: env:AIG_TEST_A"))
        // In the order of the file: the first config leaves the secret that the second one takes.
        let two =
            file("live", "main", "reference: \"env:AIG_TEST_B\"")
            + "\n      - {provider_slug: openai, alias: second, default_config: false, secret: prod_openai_default}"
        try await fixture.apply(two, .deleteOthers)
        #expect(try await fixture.changes(of: two, .deleteOthers) == [])
        // Two that share a secret which points outside: the file, and its export, change nothing any more.
        let shared =
            file("both", "default", "reference: \"env:AIG_TEST_A\"")
            + "\n      - {provider_slug: openai, alias: second, default_config: false, secret: both_openai_default}"
        try await fixture.apply(file("both", "default", "reference: \"env:AIG_TEST_A\""), .deleteOthers)
        for _ in 0..<2 { #expect(try await fixture.problems(of: shared, .deleteOthers) == []) }
        #expect(try await fixture.changes(of: shared, .deleteOthers) == [])
        #expect(try await fixture.changes(of: try await fixture.export(), .deleteOthers) == [])
        // What nobody uses any more is gone at the end.
        try await fixture.apply("version: 1\ngateways: []", .deleteOthers)
        #expect(try await secrets() == [])
    }
}
