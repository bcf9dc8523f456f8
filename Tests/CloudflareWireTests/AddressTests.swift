import CloudflareWire
import Testing

@Suite("Addresses")
struct AddressTests {
    private struct Parts: Equatable {
        var surface: Address.Surface
        var account = ""
        var gateway = ""
        var provider = ""
        var rest = ""
        var query: String?
    }

    private func parse(_ target: String) -> Parts {
        let line = Array("GET \(target) HTTP/1.1\r\n".utf8)
        return line.withUnsafeBytes { bytes in
            let address = Address(bytes, target: 4..<4 + target.utf8.count)
            func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
            return Parts(
                surface: address.surface, account: text(address.account), gateway: text(address.gateway),
                provider: text(address.provider), rest: text(address.rest), query: address.query.map(text)
            )
        }
    }

    @Test("a native URL is taken apart without decoding anything")
    func native() {
        #expect(
            parse("/v1/acc/gw/google-ai-studio/v1beta/models/a%2Fb:x?alt=sse&x=/y")
                == Parts(
                    surface: .native, account: "acc", gateway: "gw", provider: "google-ai-studio",
                    rest: "v1beta/models/a%2Fb:x", query: "alt=sse&x=/y"))
        #expect(
            parse("/v1/acc/gw/openai")
                == Parts(surface: .native, account: "acc", gateway: "gw", provider: "openai"))
        #expect(
            parse("/v1/acc/gw/openai//x")
                == Parts(surface: .native, account: "acc", gateway: "gw", provider: "openai", rest: "/x"))
    }

    @Test("compat, universal and the port's own endpoints are told apart")
    func surfaces() {
        #expect(parse("/v1/a/g/compat/chat/completions").surface == .compat)
        #expect(parse("/v1/a/g/compatible/x").surface == .native)
        #expect(parse("/v1/a/g").surface == .universal)
        #expect(parse("/v1/a/g/").surface == .universal)
        #expect(parse("/v1/a/g?x=1") == Parts(surface: .universal, account: "a", gateway: "g", query: "x=1"))
        #expect(parse("/healthz").surface == .health)
        #expect(parse("/readyz?x").surface == .readiness)
        for target in ["/", "/v1", "/v1/", "/v1/a", "/v1/a/", "/v2/a/g/openai/x", "/healthz/x", "*", "/V1/a/g/openai"] {
            #expect(parse(target).surface == .elsewhere, "\(target)")
        }
    }
}
