import GatewayCore
import Providers
import Testing

private func mayTell(_ name: String, _ kind: FieldKind = .other, to reader: CallerIdentity.Reader) -> Bool {
    let field = FieldSlice(
        nameStart: 0, nameLength: UInt16(name.utf8.count), kind: kind, valueStart: UInt32(name.utf8.count),
        valueLength: 0)
    var name = name
    return name.withUTF8 { CallerIdentity.mayTell(UnsafeRawBufferPointer($0), field, to: reader) }
}

@Suite struct CallerIdentityTests {
    @Test(
        "a known provider is known to look at accounts, projects and cookies",
        arguments: [
            "cookie", "Cookie", "x-auth-key", "x-auth-email", "x-auth-token", "X-Amz-Security-Token",
            "OpenAI-Organization", "openai-project", "x-goog-user-project", "chatgpt-account-id",
        ])
    func identifying(_ name: String) {
        #expect(mayTell(name, to: .builtIn))
        #expect(mayTell(name, to: .custom))
    }

    @Test("an unknown header tells an account's own provider alone", arguments: ["x-tenant", "sec", "cf-", "accepts"])
    func unknown(_ name: String) {
        #expect(!mayTell(name, to: .builtIn))
        #expect(mayTell(name, to: .custom))
    }

    @Test(
        "what clients say of themselves, of the trace and of the format tells nobody",
        arguments: [
            "accept", "Accept-Language", "traceparent", "idempotency-key", "anthropic-version", "x-stainless-os",
            "X-Stainless-Retry-Count", "cf-ray", "sec-fetch-mode",
        ])
    func harmless(_ name: String) {
        #expect(!mayTell(name, to: .builtIn))
        #expect(!mayTell(name, to: .custom))
    }

    @Test("a credential counts for an account's own provider even where the registry names another")
    func authorization() {
        #expect(mayTell("authorization", .authorization, to: .custom))
        #expect(!mayTell("authorization", .authorization, to: .builtIn))
        #expect(!mayTell("content-type", .contentType, to: .custom))
    }
}
