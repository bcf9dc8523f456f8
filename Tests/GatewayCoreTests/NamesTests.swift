import GatewayCore
import Testing

@Suite("Names")
struct NamesTests {
    @Test("account ids are 32 lower-case hexadecimal characters")
    func accounts() {
        #expect(AccountID.isWellFormed(Array("0123456789abcdef0123456789abcdef".utf8)))
        #expect(!AccountID.isWellFormed(Array("0123456789ABCDEF0123456789ABCDEF".utf8)))
        #expect(!AccountID.isWellFormed(Array("0123".utf8)))
    }

    @Test(
        "gateway ids follow the documented pattern",
        arguments: [
            ("default", true), ("a", true), ("a-b_c", true), ("", false), ("-a", false), ("a-", false), ("a--b", false),
            ("A", false), ("a b", false), (String(repeating: "x", count: 64), true),
            (String(repeating: "x", count: 65), false),
        ])
    func gateways(id: String, isValid: Bool) {
        #expect(GatewayID(id).isWellFormed == isValid)
    }

    @Test("secrets do not print themselves")
    func secrets() {
        let secret = Secret("sk-123")
        #expect("\(secret)" == "<redacted>")
        #expect(String(reflecting: secret) == "<redacted>")
        var dumped = ""
        dump(secret, to: &dumped)
        #expect(!dumped.contains("sk-123"))
        #expect(secret.reveal() == "sk-123")
    }

    @Test("usage keeps its invariants")
    func usage() {
        var usage = Usage()
        usage.input = 100
        usage.cached = 80
        usage.cacheWrite5m = 50
        usage.output = 10
        usage.reasoning = 20
        usage.normalize()
        #expect(usage.cached == 80 && usage.cacheWrite5m == 20 && usage.reasoning == 10)
        #expect(usage.cacheWrite1h == nil)
    }
}
