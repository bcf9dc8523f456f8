import PostgresStore
import Testing

@testable import ControlPlane

@Suite("Files of declarations, by themselves")
struct DeclarationReaderTests {
    private func problems(_ text: String) -> [String] { problems(Array(text.utf8)) }

    private func problems(_ bytes: [UInt8]) -> [String] {
        do throws(DeclarationFailure) {
            _ = try DeclarationFixture.reader.read(bytes)
            return []
        } catch {
            guard case .refused(let problems) = error else { return ["\(error)"] }
            return problems.map(\.description)
        }
    }

    @Test("every problem of a file is told at once, with its place and its line")
    func allProblems() {
        let found = problems(
            """
            version: 1
            gateways:
              - id: first
                authentication: yes
                cache_tll: 5
              - id: Not a slug
                authentication: true
                cache_ttl: many
                provider_configs:
                  - provider_slug: openai
                    default_config: 1
                    secrett: x
                routes:
                  - name: r
                    elements: []
            custom_providers:
              - slug: acme
                base_url: http://inside.example
                costs:
                  - model: m
                    cost_in: -1
            """
        )
        for expected in [
            "gateways[0].authentication (line 4): Expected boolean",
            "gateways[0].cache_tll (line 5): Unrecognized key; did you mean cache_ttl?",
            "gateways[1].id (line 6): Invalid gateway id",
            "gateways[1].cache_ttl (line 8): Expected integer",
            "gateways[1].provider_configs[0].default_config (line 11): Expected boolean",
            "gateways[1].provider_configs[0].secrett (line 12): Unrecognized key; did you mean secret?",
            "gateways[1].routes[0].elements (line 15): Array must contain at least 1 element(s)",
            "custom_providers[0].costs[0].cost_in (line 21): Number must be from 0 to 1, in US dollars",
        ] { #expect(found.contains(expected), "\(expected) is not in \(found)") }
        #expect(found.contains { $0.hasPrefix("custom_providers[0].base_url (line 18)") })
        #expect(found.count == 9, "\(found)")
    }

    @Test(
        "what a file cannot be is refused in words",
        arguments: [
            ("", "empty"), ("# nothing\n", "empty"), ("gateways: []", "version: Required"),
            ("version: 2\ngateways: []", "Version 2 is not known"), ("version: \"1\"", "is not known"),
            ("- version: 1", "Expected an object"), ("version: 1\ngateways:", "Expected array; [] is an empty one"),
            ("version: 1\ngateways: {}", "Expected array"), ("version: 1\ngateways: [x]", "Expected an object"),
            ("version: 1\ngatways: []", "did you mean gateways?"),
            ("version: 1\nversion: 1", "The same key stands twice: version"),
            ("version: 1\ngateways: [", "Not readable as YAML"),
            ("version: 1\n---\nversion: 1", "Not readable as YAML"),
            ("version: 1\ngateways: *none", "Not readable as YAML"),
            ("version: 1\n? [a]\n: 1", "A key has to be a word"),
            ("version: 1\ngateways: [{id: a}]", "gateways[0].authentication (line 2): Required"),
            (
                "version: 1\ngateways: [{id: a, authentication: true}, {id: a, authentication: true}]",
                "gateways[1].id (line 2): It is declared twice"
            ),
            (
                """
                version: 1
                gateways:
                  - id: a
                    authentication: true
                    provider_configs:
                      - {provider_slug: openai, default_config: true, reference: sk-not-a-place}
                """, "a key itself is never in this file"
            ),
            (
                """
                version: 1
                gateways:
                  - id: a
                    authentication: true
                    provider_configs:
                      - {provider_slug: openai, default_config: true, reference: "env:HOME"}
                """, "secrets.references"
            ),
            (
                """
                version: 1
                gateways:
                  - id: a
                    authentication: true
                    provider_configs:
                      - {provider_slug: google, default_config: true}
                      - {provider_slug: google-ai-studio, default_config: false}
                """, "provider_configs[1].alias (line 7): It is declared twice"
            ),
        ])
    func refusals(text: String, words: String) {
        let found = problems(text)
        #expect(found.contains { $0.contains(words) }, "\(found)")
        #expect(!found.contains { $0.contains("sk-not-a-place") })
    }

    @Test("bytes that are no text, files without end and bombs of aliases are refused")
    func hostile() {
        #expect(problems([0x76, 0xff, 0xfe]) == ["The file is not UTF-8 text"])
        #expect(problems("version: 1\nx: \u{0}").first?.hasPrefix("Not readable as YAML") ?? false)
        #expect(problems([UInt8](repeating: 0x20, count: 9 << 20)) == ["The file is longer than 8 MiB"])
        var bomb = "version: 1\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
        for level in 1...30 {
            let use = Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ",")
            bomb += "a\(level): &a\(level) [\(use)]\n"
        }
        #expect(problems(bomb).first?.hasSuffix("The file has too many values or levels") ?? false)
        let deep = "version: 1\nx: " + String(repeating: "[", count: 900) + String(repeating: "]", count: 900)
        #expect(problems(deep).first?.hasSuffix("The file has too many values or levels") ?? false)
        let deeper = "version: 1\nx: " + String(repeating: "[", count: 500_000)
        #expect(!problems(deeper).isEmpty)
        let names = (0..<50).map { "\u{1B}[31mn\($0): 1" }.joined(separator: "\n")
        #expect(problems("version: 1\n" + names).allSatisfy { !$0.contains("\u{1B}") })
    }

    @Test("a key that stands twice is refused, also when it is written as another kind of word")
    func repetition() {
        for text in [
            "version: 1\nversion: 1", "version: 1\nx: {true: 1, \"true\": 2}", "version: 1\nx: {1: a, '1': b}",
        ] {
            #expect(problems(text).count == 1 && problems(text)[0].contains("The same key stands twice"), "\(text)")
        }
    }

    @Test("anchors, merge keys, comments and a byte order mark are understood")
    func plainYAML() throws {
        let text = """
            \u{FEFF}# of the platform team
            version: 1
            gateways:
              - &base
                id: a
                authentication: true
                cache_ttl: 60
                retry_max_attempts: 3
              - <<: *base
                id: b
                cache_ttl: 0o7
            """
        #expect(problems(text) == ["gateways[1].cache_ttl (line 11): Expected integer"])
        let right = text.replacing("0o7", with: "120")
        let gateways = try #require(DeclarationFixture.reader.read(Array(right.utf8)).gateways)
        #expect(gateways.map(\.settings.cacheTTL) == [60, 120])
        #expect(gateways.map(\.settings.retryMaxAttempts) == [3, 3] && gateways[1].settings.authentication)
    }

    @Test("spend rules without a name get the same one each time, which does not depend on their limit")
    func spendRuleNames() throws {
        func rules(_ limit: Int) throws -> [String] {
            let text = """
                version: 1
                gateways:
                  - id: a
                    authentication: true
                    spend_limits:
                      enabled: true
                      rules:
                        - {limit: \(limit), limitType: cost, window: 60}
                        - {limit: 1, limitType: cost, window: 60}
                        - {id: mine, limit: 1, limitType: cost, window: 60}
                """
            let settings = try #require(DeclarationFixture.reader.read(Array(text.utf8)).gateways?.first?.settings)
            let spend = try JSONValue(parsing: try #require(settings.spendLimits))
            return (spend["rules"]?.elements ?? []).compactMap { $0["id"]?.text }
        }
        let first = try rules(10)
        #expect(first == (try rules(20)))
        #expect(Set(first).count == 3 && first[2] == "mine" && first[0].count == 8)
    }

    @Test(
        "numbers are compared and written by their value",
        arguments: [
            ("1", "1"), ("1.0", "1"), ("-0", "0"), ("0.000", "0"), ("2.5e-06", "0.0000025"), ("1e3", "1000"),
            ("120.50", "120.5"), ("-12.5E1", "-125"), ("1e400", "1e400"), ("12e-400", "1.2e-399"), ("0.10", "0.1"),
        ])
    func decimals(literal: String, plain: String) {
        #expect(JSONValue.plainDecimal(literal) == plain)
        #expect(JSONValue.number(literal).says(.number(plain)))
    }

    @Test(
        "any text is read back as it was written",
        arguments: [
            "", " ", "a", "yes", "No", "null", "~", "1", "1.5", "0x1f", "-", "- a", "a: b", "a #b", "#", "@cf/meta",
            "$eq", "10%", "a\nb", "a\nb\n", "\na", "  a\n b", "a\r\nb", "tab\tin", "é – 日本", "'", "\"", "\\", "a\\nb",
            "\u{1B}[31m", "\u{85}\u{2028}", "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n", "{a}", "[",
            "&a",
            "*a", "!x", "%", "|", ">", "<<", "2026-01-01", "=", "trailing ", "😀",
        ])
    func roundTrip(text: String) throws {
        let value: JSONValue = ["list": [.string(text), .object([.init(text, .string(text))])], "n": 1, "none": [:]]
        let written = try DeclarationText.yaml(value)
        #expect(try DeclarationDocument(Array(written.utf8)).content == value, "\(written)")
    }
}
