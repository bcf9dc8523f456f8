import GatewayCore
import Testing

@testable import Providers

@Suite("Custom providers")
struct CustomProviderTests {
    @Test(
        "the prefix is taken off once",
        arguments: [
            ("custom-acme", "acme"), ("custom-custom-ai", "custom-ai"), ("custom-custom-", "custom-"),
            ("custom-", nil), ("custom", nil), ("acme", nil), ("Custom-acme", nil), ("openai", nil), ("", nil),
        ] as [(String, String?)])
    func slugOfSegment(segment: String, slug: String?) {
        #expect(CustomProvider.slug(ofSegment: segment) == slug)
        if let slug { #expect(CustomProvider.id(ofSlug: slug).rawValue == segment) }
    }

    @Test(
        "slugs are letters, digits and hyphens",
        arguments: [
            ("acme", true), ("Acme-2", true), ("custom-ai", true), ("-", true), ("", false), ("a_b", false),
            ("a b", false), ("a/b", false), ("a.b", false), ("é", false), (String(repeating: "a", count: 64), true),
            (String(repeating: "a", count: 65), false),
        ])
    func slugs(text: String, isAccepted: Bool) { #expect(CustomProvider.isSlug(text) == isAccepted) }

    @Test("a definition has the plan's address, standing headers and egress rule, and no price")
    func definition() throws {
        let plan = CustomProviderPlan(
            account: "a", slug: "custom-ai", baseURL: "https://api.acme.test/v1", isEnabled: true)
        let headers = Secret(Array(#"{"X-Team":"search","Authorization":"Bearer K","Host":"x","bad name":"v"}"#.utf8))
        let provider = try CustomProvider.definition(plan, headers: headers)
        #expect(provider.id == "custom-custom-ai")
        #expect(provider.egress == .publicAddressesOnly)
        #expect(provider.standingHeaders.map(\.name) == ["X-Team", "Authorization"])
        #expect(provider.standingHeaders.map { $0.value.reveal() } == ["search", "Bearer K"])
        let target = try provider.target(path: "api/v4/chat", query: "x=1&y=%20", account: "a", workersAIAccount: nil)
        #expect(target.origin.description + target.requestTarget == "https://api.acme.test/v1/api/v4/chat?x=1&y=%20")
        #expect(try provider.compatTarget(model: "org/m").0.path == "/v1/chat/completions")
        #expect(provider.inject("K", for: target).map { "\($0.name): \($0.value)" } == ["authorization: Bearer K"])
        #expect(try CustomProvider.definition(plan).standingHeaders.isEmpty)
    }

    @Test("headers that cannot be opened are not left out in silence")
    func unreadableHeaders() {
        var plan = CustomProviderPlan(account: "a", slug: "x", baseURL: "https://x.test", isEnabled: true)
        plan.headers = SealedSecret(id: "x", account: "a", name: "", envelope: [1])
        let error = #expect(throws: GatewayError.self) { _ = try CustomProvider.definition(plan) }
        #expect(error?.kind == .storedKeyUnavailable)
    }

    @Test("a disabled provider is not known")
    func disabled() {
        let plan = CustomProviderPlan(account: "a", slug: "x", baseURL: "https://x.test", isEnabled: false)
        let error = #expect(throws: GatewayError.self) { _ = try CustomProvider.definition(plan) }
        #expect(error?.kind == .invalidProvider)
    }

    @Test(
        "base URLs that may be stored",
        arguments: [
            "https://api.acme.test", "https://api.acme.test/", "HTTPS://API.acme.test/v1/", "https://acme.test:8443/x",
            "https://8.8.8.8/v1", "https://[2606:4700::1111]", "https://localhost.example.com", "https://a_b.test",
            "https://10.example.com", "https://a.test/a%2Fb",
        ])
    func accepted(text: String) throws { try CustomBaseURL.check(text, .publicAddressesOnly) }

    @Test(
        "base URLs that may not be stored say why",
        arguments: [
            ("", .notAURL), ("api.acme.test", .notAURL), ("https:/a.test", .notAURL), ("https://", .notAURL),
            ("https:///x", .notAURL), ("https://a b", .notAURL), ("https://a.test:0", .notAURL),
            ("https://a.test:99999", .notAURL), ("https://a.test:", .notAURL), ("https://é.test", .notAURL),
            ("https://１２７.0.0.1", .notAURL), ("https://127%2e0.0.1", .notAURL), ("https://a\\b", .notAURL),
            ("https://.", .notAURL), ("https://[::1", .notAURL), ("https://[fe80::1%25eth0]", .notAURL),
            ("http://a.test", .notHTTPS), ("ftp://a.test", .notHTTPS), ("file:///etc/passwd", .notHTTPS),
            ("https://u:p@a.test", .hasCredentials), ("https://u@a.test/", .hasCredentials),
            ("https://a.test?x=1", .hasQueryOrFragment), ("https://a.test/#x", .hasQueryOrFragment),
            ("https://a.test/../b", .hasDotSegments), ("https://a.test/%2e%2e/b", .hasDotSegments),
            ("https://a.test/./b", .hasDotSegments), ("https://localhost", .localName),
            ("https://LOCALHOST:8080", .localName), ("https://localhost.", .localName),
            ("https://x.localhost/v1", .localName), ("https://127.0.0.1", .notPublic(.loopback)),
            ("https://127.1", .notPublic(.loopback)), ("https://2130706433", .notPublic(.loopback)),
            ("https://0x7f000001/v1", .notPublic(.loopback)), ("https://0177.0.0.1", .notPublic(.loopback)),
            ("https://017700000001", .notPublic(.loopback)), ("https://127.0.0.1.", .notPublic(.loopback)),
            ("https://0", .notPublic(.unspecified)), ("https://10.1.2.3:443", .notPublic(.privateUse)),
            ("https://0xa.1", .notPublic(.privateUse)), ("https://172.31.0.1", .notPublic(.privateUse)),
            ("https://192.168.0.1/v1", .notPublic(.privateUse)), ("https://169.254.169.254", .notPublic(.metadata)),
            ("https://2852039166", .notPublic(.metadata)), ("https://100.64.0.1", .notPublic(.sharedCarrier)),
            ("https://[::1]", .notPublic(.loopback)), ("https://[::]", .notPublic(.unspecified)),
            ("https://[::ffff:127.0.0.1]:443", .notPublic(.loopback)),
            ("https://[::ffff:a9fe:a9fe]", .notPublic(.metadata)),
            ("https://[64:ff9b::a9fe:a9fe]", .notPublic(.metadata)), ("https://[fc00::1]", .notPublic(.uniqueLocal)),
            ("https://[fe80::1]", .notPublic(.linkLocal)), ("https://[2002:7f00:1::]", .notPublic(.loopback)),
        ] as [(String, CustomBaseURL.Refusal)])
    func refused(text: String, reason: CustomBaseURL.Refusal) {
        let refusal = #expect(throws: CustomBaseURL.Refusal.self) {
            try CustomBaseURL.check(text, .publicAddressesOnly)
        }
        #expect(refusal == reason)
    }

    @Test("an operator who allows private addresses allows plain HTTP to them, and no more")
    func lifted() throws {
        for text in ["http://127.0.0.1:8080", "https://localhost/v1", "http://[::1]:1/x"] {
            try CustomBaseURL.check(text, .anyAddress)
        }
        for text in ["ftp://a.test", "http://u@a.test", "http://a.test/..", "http://"] {
            #expect(throws: CustomBaseURL.Refusal.self) { try CustomBaseURL.check(text, .anyAddress) }
        }
        let long = "https://a.test/" + String(repeating: "x", count: CustomBaseURL.lengthLimit)
        #expect(throws: CustomBaseURL.Refusal.tooLong) { try CustomBaseURL.check(long, .anyAddress) }
    }

    @Test(
        "fields that would change the message or speak for the gateway are refused",
        arguments: [
            (#"{"Content-Length":"5"}"#, .name("Content-Length")), (#"{"host":"x"}"#, .name("host")),
            (#"{"CF-Ray":"x"}"#, .name("CF-Ray")), (#"{"x-forwarded-for":"x"}"#, .name("x-forwarded-for")),
            (#"{"a b":"x"}"#, .name("a b")), (#"{"":"x"}"#, .name("")), (#"{"a:":"x"}"#, .name("a:")),
            (#"{"x\r\ny":"x"}"#, .name("x\r\ny")), (#"{"x":"a\r\nb: c"}"#, .value("x")), (#"{"x":1}"#, .value("x")),
            (#"{"x":"a\u0000"}"#, .value("x")), (#"{"x":null}"#, .value("x")),
        ] as [(String, CustomHeaders.Refusal)])
    func headerRefusals(text: String, reason: CustomHeaders.Refusal) {
        let refusal = #expect(throws: CustomHeaders.Refusal.self) { try CustomHeaders.check(Array(text.utf8)) }
        #expect(refusal == reason)
        #expect(CustomHeaders.read(Array(text.utf8))?.isEmpty == true)
    }

    @Test("text that is no object is kept without effect, and no value is ever shown")
    func headerText() throws {
        for text in ["headers", "", "[1]", "{", #"{"a":"b"} x"#] {
            try CustomHeaders.check(Array(text.utf8))
            #expect(CustomHeaders.read(Array(text.utf8)) == nil)
            #expect(CustomHeaders.masked(Array(text.utf8)) == "****")
        }
        let text = Array(#"{"x-api-key":"canary","a\"b":"canary"}"#.utf8)
        #expect(CustomHeaders.masked(text) == #"{"x-api-key":"****","a\"b":"****"}"#)
        let many = (0...CustomHeaders.fieldLimit).map { "\"x-\($0)\":\"v\"" }.joined(separator: ",")
        #expect(throws: CustomHeaders.Refusal.tooMany) { try CustomHeaders.check(Array("{\(many)}".utf8)) }
    }
}
