import ExternalSecrets
import Testing

@Suite("References to secrets elsewhere")
struct SecretReferenceTests {
    @Test(
        "a text of one of the three forms is a reference and reads back as itself",
        arguments: [
            ("env:OPENAI_KEY", SecretReference.environment("OPENAI_KEY")),
            ("file:/run/secrets/key", .file("/run/secrets/key")),
            ("vault:kv/ai/openai#key", .vault(mount: "kv", path: "ai/openai", field: "key")),
            ("vault:kv/ai", .vault(mount: "kv", path: "ai", field: "value")),
        ]
    )
    func forms(text: String, expected: SecretReference) throws {
        let reference = try #require(try SecretReference(text))
        #expect(reference == expected)
        #expect(try SecretReference(reference.text) == reference)
    }

    @Test(
        "anything that begins otherwise is a value",
        arguments: ["", "sk-123", "ENV:A", "environment", " env:A", "vaults"])
    func values(text: String) throws { #expect(try SecretReference(text) == nil) }

    @Test(
        "a text that begins like a reference and is none is an error, and the error does not repeat it",
        arguments: [
            "env:", "env:1A", "env:A-B", "env:A B", "file:", "file:/", "file:relative", "file:/a/../b", "file:/a//b",
            "file:/a/./b", "file:/a/", "vault:", "vault:kv", "vault:kv/", "vault:/a", "vault:kv/../b", "vault:kv/a#",
            "vault:kv/a\u{7}", "file:/a\nb", "env:" + String(repeating: "A", count: 2000),
        ]
    )
    func malformed(text: String) {
        let error = #expect(throws: SecretReference.Malformed.self) { try SecretReference(text) }
        #expect(error.map { text.utf8.count < 8 || !$0.expectation.contains(text) } == true)
    }

    @Test("rules allow what they list, and beginnings only where a star says so")
    func rules() throws {
        let rules = ReferenceRules(["env:A", "env:B_*", "file:/run/secrets/*", "vault:kv/one", "vault:kv/two#key"])
        func allows(_ text: String) throws -> Bool { rules.allow(try #require(try SecretReference(text))) }
        for text in [
            "env:A", "env:B_C", "env:B_", "file:/run/secrets/x", "file:/run/secrets/a/b", "vault:kv/one",
            "vault:kv/one#value", "vault:kv/two#key",
        ] {
            #expect(try allows(text), "\(text)")
        }
        for text in [
            "env:AA", "env:B", "env:a", "file:/run/secrets2/x", "file:/etc/passwd", "vault:kv/one#other",
            "vault:kv/two", "vault:kv/three#key",
        ] {
            #expect(try !allows(text), "\(text)")
        }
        #expect(rules.variables(of: ["A": "1", "B_X": "2", "C": "3", "PATH": "4"]) == ["A": "1", "B_X": "2"])
        #expect(ReferenceRules([]).variables(of: ["A": "1"]).isEmpty)
    }
}
