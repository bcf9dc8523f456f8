import CloudflareWire
import GatewayCore
import NIOCore
import Testing
import WireFormats

@Suite("Directives")
struct DirectivesTests {
    private func parse(_ fields: String...) throws -> (Directives, RequestHead) {
        var bytes = ByteBuffer(
            string: "POST / HTTP/1.1\r\nHost: h\r\n" + fields.map { $0 + "\r\n" }.joined() + "\r\n"
        )
        var parser = RequestParser()
        let head = try #require(try parser.parse(&bytes))
        return (Directives.parse(head), head)
    }

    @Test("are read whatever the case of their names")
    func names() throws {
        let (found, head) = try parse(
            "CF-AIG-Authorization: Bearer  t0ken", "Cf-Aig-Event-Id: e-1", "cf-aig-collect-log: FALSE",
            "cf-aig-collect-log-payload: 1", "cf-aig-byok-alias: prod", "cf-aig-request-timeout: 250"
        )
        #expect(found.authorization.map(head.text) == "t0ken")
        #expect(found.eventID == "e-1")
        #expect(found.collectLog == false)
        #expect(found.collectLogPayload == true)
        #expect(found.byokAlias == "prod")
        #expect(found.requestTimeout == .milliseconds(250))
    }

    @Test("with invalid values count as absent")
    func invalid() throws {
        let (found, _) = try parse(
            "cf-aig-authorization: Bearer ", "cf-aig-collect-log: yes", "cf-aig-request-timeout: -5",
            "cf-aig-metadata: {", "cf-aig-custom-cost: 5", "cf-aig-event-id: "
        )
        #expect(found.authorization == nil)
        #expect(found.collectLog == nil)
        #expect(found.requestTimeout == nil)
        #expect(found.metadata == nil)
        #expect(found.customCost == nil)
        #expect(found.eventID == nil)
    }

    @Test("accept a bare token", arguments: [("good", "good"), ("bearer good", "good"), ("Bearergood", "Bearergood")])
    func bareToken(value: String, token: String) throws {
        let (found, head) = try parse("cf-aig-authorization: \(value)")
        #expect(found.authorization.map(head.text) == token)
    }

    @Test(
        "keep the first five metadata entries and drop what is not scalar",
        arguments: [
            (#"{"team":"search","user":12,"beta":true}"#, #"{"team":"search","user":12,"beta":true}"#),
            (#"{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7}"#, #"{"a":1,"b":2,"c":3,"d":4,"e":5}"#),
            (#"{"cf.user_id":"x","a":1.50}"#, #"{"a":1.50}"#),
            (#"{"a":{"b":1}}"#, nil), (#"{"a":[1]}"#, nil), (#"{"a":null}"#, nil), ("[1]", nil), ("{}", nil),
            ("", nil), (#"{"a":1"#, nil),
        ] as [(String, String?)])
    func metadata(value: String, kept: String?) {
        let bytes = Array(value.utf8)
        #expect(bytes.withUnsafeBytes { Metadata.sanitize($0) } == kept)
    }

    @Test("read custom prices exactly")
    func customCost() throws {
        let (found, _) = try parse(#"cf-aig-custom-cost: {"per_token_in":0.000001,"per_token_out":0.000002}"#)
        #expect(found.customCost?.perTokenIn == PicoDecimal(units: 1_000_000))
        #expect(found.customCost?.perTokenOut == PicoDecimal(units: 2_000_000))
        #expect(found.customCost?.total == nil)
        let (flat, _) = try parse(#"cf-aig-custom-cost: {"total_cost":1.5,"per_token_in":"x"}"#)
        #expect(flat.customCost?.total == PicoDecimal(units: 1_500_000_000_000))
        #expect(flat.customCost?.perTokenIn == nil)
    }
}
