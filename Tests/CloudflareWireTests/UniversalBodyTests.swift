import CloudflareWire
import GatewayCore
import NIOCore
import Testing
import WireFormats

private let base = "/v1/0123456789abcdef0123456789abcdef/my-gw"

private func steps(_ body: ByteBuffer, _ outer: [String] = []) throws -> [UniversalStep] {
    let head = try parsedHead(outer, target: base)
    let address = head.withBytes { Address($0, target: head.target) }
    #expect(address.surface == .universal)
    return try UniversalBody.parse(body, under: head, at: address)
}

private func steps(_ body: String, _ outer: [String] = []) throws -> [UniversalStep] {
    try steps(ByteBuffer(string: body), outer)
}

/// The one step of a body that has one.
private func step(_ object: String, _ outer: [String] = []) throws -> UniversalStep {
    let all = try steps("[\(object)]", outer)
    return try #require(all.first)
}

private func step(headers: String, query: String = "{}") throws -> UniversalStep {
    try step(#"{"provider":"openai","endpoint":"x","headers":\#(headers),"query":\#(query)}"#)
}

extension UniversalStep {
    fileprivate var target: String { head.text(head.target) }
    fileprivate func values(_ name: String) -> [String] {
        head.fields.filter { head.text($0.name).lowercased() == name }.map { head.text($0.value) }
    }
}

private func refusal(_ body: String) throws -> GatewayError {
    do {
        _ = try steps(body)
    } catch let error as GatewayError {
        return error
    }
    Issue.record("accepted: \(body.prefix(200))")
    throw CancellationError()
}

/// Bodies that are refused, with what the message says.
private let malformed: [(String, String)] = [
    ("", "not valid JSON"), ("[", "not valid JSON"), ("[{}] x", "not valid JSON"), ("\u{feff}[]", "not valid JSON"),
    (#"{"provider":"a","provider""#, "not valid JSON"), ("[01]", "not valid JSON"),
    (String(repeating: "[", count: 100_000), "not valid JSON"),
    (String(repeating: "[", count: 600) + String(repeating: "]", count: 600), "not valid JSON"),
    ("[]", "no steps"), ("3", "array of steps"), ("null", "array of steps"), (#""x""#, "array of steps"),
    ("[1]", "step 0 must be an object"), ("[null]", "step 0 must be an object"), ("[[]]", "step 0 must be an object"),
    ("{}", #""provider" of step 0 is missing"#), ("[{}]", #""provider" of step 0 is missing"#),
    (#"[{"provider":""}]"#, #""provider" of step 0 is missing"#),
    (#"[{"provider":null}]"#, #""provider" of step 0 is missing"#),
    (#"[{"provider":5}]"#, #""provider" of step 0 must be a string"#),
    (#"[{"provider":"openai","query":{}}]"#, #""endpoint" of step 0 is missing"#),
    (#"[{"provider":"openai","endpoint":{},"query":{}}]"#, #""endpoint" of step 0 must be a string"#),
    (#"[{"provider":"openai","endpoint":"a\u0000b","query":{}}]"#, #""endpoint" of step 0 has a character"#),
    (#"[{"provider":"openai","endpoint":"x HTTP/1.1\r\nHost: evil","query":{}}]"#, #""endpoint" of step 0 has"#),
    (#"[{"provider":"openai","endpoint":"a b","query":{}}]"#, #""endpoint" of step 0 has a character"#),
    (#"[{"provider":"openai","endpoint":"a#b","query":{}}]"#, #""endpoint" of step 0 has a character"#),
    (#"[{"provider":"openai","endpoint":"x"}]"#, #""query" of step 0 is missing"#),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":[]}]"#, #""headers" of step 0 must be an object"#),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":"a: b"}]"#, #""headers" of step 0 must be"#),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"a":{}}}]"#, "no string"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"a":["b"]}}]"#, "no string"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"":"b"}}]"#, "cannot be a header's"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"a b":"c"}}]"#, "cannot be a header's"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"a:b":"c"}}]"#, "cannot be a header's"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"a\r\nb":"c"}}]"#, "cannot be a header's"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"ключ":"c"}}]"#, "cannot be a header's"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"a":"b\r\nX-Evil: 1"}}]"#, "stand in a header"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"a":"b\u0000"}}]"#, "stand in a header"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"headers":{"a":"b\n"}}]"#, "stand in a header"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"authorization":"k\r\nX: y"}]"#, #""authorization" of step 0"#),
    (#"[{"provider":"openai","endpoint":"x","query":{},"authorization":{}}]"#, "must be a string"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"config":[]}]"#, #""config" of step 0 must be an object"#),
    (#"[{"provider":"openai","provider":"groq","endpoint":"x","query":{}}]"#, "step 0 has a member twice"),
    (#"[{"provider":"openai","endpoint":"x","query":{},"query":1}]"#, "step 0 has a member twice"),
    (#"[{"provider":"openai","endpoint":"x","query":{}},{"provider":"openai"}]"#, "of step 1 is missing"),
]

@Suite("Universal body")
struct UniversalBodyTests {
    @Test("the documented example becomes two requests")
    func documented() throws {
        let all = try steps(
            """
            [
              {"provider":"workers-ai","endpoint":"@cf/meta/llama-3.1-8b-instruct",
               "headers":{"Authorization":"Bearer cf-token","Content-Type":"application/json"},
               "config":{"requestTimeout":1500,"maxAttempts":2,"retryDelay":500,"backoff":"linear"},
               "query":{"prompt":"hi"}},
              {"provider":"openai","endpoint":"chat/completions",
               "headers":{"Authorization":"Bearer sk-x","cf-aig-cache-ttl":"0"},
               "query":{"model":"gpt-4o-mini","messages":[{"role":"user","content":"hi"}]}}
            ]
            """)
        #expect(all.map(\.index) == [0, 1])
        #expect(all.map(\.provider) == ["workers-ai", "openai"])
        #expect(
            all.map(\.target) == [
                base + "/workers-ai/@cf/meta/llama-3.1-8b-instruct", base + "/openai/chat/completions",
            ])
        #expect(
            all[0].config
                == StepConfig(
                    requestTimeout: .milliseconds(1500), maxAttempts: 2, retryDelay: .milliseconds(500),
                    backoff: .linear
                ))
        #expect(all[1].config == StepConfig())
        #expect(all[0].values("authorization") == ["Bearer cf-token"])
        #expect(all[1].values("content-type") == ["application/json"])
        #expect(Directives.parse(all[1].head).cacheTTL == 0)
        #expect(all[1].head.withBytes { Address($0, target: all[1].head.target).surface } == .native)
        #expect(String(buffer: all[0].body) == #"{"prompt":"hi"}"#)
        #expect(all[0].head.framing == .length(15))
        #expect(all[1].head.framing == .length(all[1].body.readableBytes))
    }

    @Test("one object alone is one step")
    func object() throws {
        let all = try steps(#" {"provider":"compat","endpoint":"chat/completions","query":{"model":"groq/x"}} "#)
        #expect(all.count == 1)
        #expect(all.first?.provider == "compat")
        #expect(all.first?.target == base + "/compat/chat/completions")
    }

    @Test(
        "a query is taken over byte for byte",
        arguments: [
            #"{ "a" : 1.50, "a":2, "\u0061":"\ud83d\ude00" , "b":[ ] }"#, #""plain""#, "null", "[1, 2]", "1e400",
            "true",
        ])
    func query(raw: String) throws {
        let one = try step(#"{"query": \#(raw)  ,"provider":"openai","endpoint":"x"}"#)
        #expect(String(buffer: one.body) == raw)
        #expect(one.head.framing == .length(raw.utf8.count))
    }

    @Test("a query is found in a buffer that begins elsewhere")
    func offset() throws {
        var body = ByteBuffer(string: #"junk[{"provider":"openai","endpoint":"x","query":[7]}]"#)
        body.moveReaderIndex(forwardBy: 4)
        #expect(try steps(body).first.map { String(buffer: $0.body) } == "[7]")
    }

    @Test(
        "providers are compared without case, endpoints may have a slash in front and a query",
        arguments: [
            ("OpenAI", "/chat/completions", "openai", "/openai/chat/completions"),
            ("openai", "chat/completions", "openai", "/openai/chat/completions"),
            ("Custom-AcMe", "v1/x", "custom-AcMe", "/custom-AcMe/v1/x"),
            ("custom-custom-ai", "x", "custom-custom-ai", "/custom-custom-ai/x"),
            ("fal", "", "fal", "/fal/"),
            (
                "azure-openai", "r/d/chat/completions?api-version=v", "azure-openai",
                "/azure-openai/r/d/chat/completions?api-version=v"
            ),
            ("huggingface", "a%20b/ü", "huggingface", "/huggingface/a%20b/%C3%BC"),
            ("huggingface", "//x", "huggingface", "/huggingface//x"),
        ])
    func targets(provider: String, endpoint: String, expected: String, target: String) throws {
        let one = try step(#"{"provider":"\#(provider)","endpoint":"\#(endpoint)","query":{}}"#)
        #expect(one.provider == expected)
        #expect(one.target == base + target)
    }

    @Test(
        "what cannot be a provider's name is an unknown provider",
        arguments: [
            "open/ai", "a?b", "..", ".", "a b", "a\\r\\nb", "ключ", "a%2fb", String(repeating: "a", count: 129),
        ])
    func providers(name: String) throws {
        #expect(try refusal(#"[{"provider":"\#(name)","endpoint":"x","query":{}}]"#).kind == .invalidProvider)
    }

    @Test("values of headers may be any scalar; null is absent")
    func scalars() throws {
        let one = try step(headers: #"{"a":1.50,"b":true,"c":null,"d":"\u00e9","e":" x ","cf-aig-cache-ttl":90}"#)
        #expect(one.values("a") == ["1.50"])
        #expect(one.values("b") == ["true"])
        #expect(one.values("c") == [])
        #expect(one.values("d") == ["é"])
        #expect(one.values("e") == ["x"])
        #expect(Directives.parse(one.head).cacheTTL == 90)
    }

    @Test("headers of framing and of one connection are arranged anew")
    func framing() throws {
        let one = try step(
            headers: """
                {"Content-Length":"9999","Transfer-Encoding":"chunked","Connection":"x-secret","Keep-Alive":"5",\
                "TE":"trailers","Trailer":"a","Upgrade":"h2c","Proxy-Authorization":"p","Expect":"100-continue",\
                "Host":"evil","x-kept":"1"}
                """, query: "[1]")
        #expect(one.head.framing == .length(3))
        #expect(one.values("content-length") == ["3"])
        #expect(one.values("host") == ["universal"])
        #expect(one.values("x-kept") == ["1"])
        #expect(!one.head.expectsContinue && one.head.keepsAlive)
        for name in [
            "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade", "proxy-authorization",
        ] {
            #expect(one.values(name) == [], "\(name)")
        }
    }

    @Test("of a header that is there twice the first one counts")
    func duplicates() throws {
        let one = try step(headers: #"{"X-Api-Key":"a","x-api-key":"b","X-Api-Key":"c","content-type":"text/plain"}"#)
        #expect(one.values("x-api-key") == ["a"])
        #expect(one.values("content-type") == ["text/plain"])
    }

    @Test("the older member for the credential yields to the header")
    func legacy() throws {
        let old = try step(#"{"provider":"openai","endpoint":"x","query":{},"authorization":"Bearer k"}"#)
        #expect(old.values("authorization") == ["Bearer k"])
        let both = try step(
            #"{"provider":"openai","endpoint":"x","query":{},"authorization":"a","headers":{"authorization":"b"}}"#)
        #expect(both.values("authorization") == ["b"])
    }

    @Test("a step without a user agent has the request's")
    func userAgent() throws {
        let object = #"{"provider":"openai","endpoint":"x","query":{}}"#
        #expect(try step(object, ["User-Agent: sdk/1"]).values("user-agent") == ["sdk/1"])
        #expect(try step(object).values("user-agent") == [])
        let own = #"{"provider":"openai","endpoint":"x","query":{},"headers":{"user-agent":"own"}}"#
        #expect(try step(own, ["User-Agent: sdk/1"]).values("user-agent") == ["own"])
        #expect(try step(object, ["Authorization: Bearer gateway"]).values("authorization") == [])
    }

    @Test(
        "config takes numbers as numbers or text, moves them into range, and ignores what is none",
        arguments: [
            (
                #"{"requestTimeout":"1500","maxAttempts":"2","retryDelay":"0"}"#,
                StepConfig(requestTimeout: .milliseconds(1500), maxAttempts: 2, retryDelay: .zero)
            ),
            (
                #"{"requestTimeout":5e2,"maxAttempts":9,"retryDelay":90000,"backoff":"EXPONENTIAL"}"#,
                StepConfig(
                    requestTimeout: .milliseconds(500), maxAttempts: 5, retryDelay: .seconds(60), backoff: .exponential)
            ),
            (#"{"requestTimeout":0,"maxAttempts":0}"#, StepConfig(maxAttempts: 1)),
            (#"{"requestTimeout":-1,"maxAttempts":-1,"retryDelay":-1,"backoff":"no"}"#, StepConfig()),
            (#"{"requestTimeout":1.5,"maxAttempts":1e400,"retryDelay":"x","backoff":3}"#, StepConfig()),
            (#"{"requestTimeout":99999999999999999999,"maxAttempts":[],"retryDelay":null}"#, StepConfig()),
            ("null", StepConfig()), ("{}", StepConfig()),
        ] as [(String, StepConfig)])
    func config(text: String, expected: StepConfig) throws {
        let one = try step(#"{"provider":"openai","endpoint":"x","query":{},"config":\#(text)}"#)
        #expect(one.config == expected)
    }

    @Test("malformed bodies are refused with the step and the member", arguments: malformed)
    func malformedBodies(body: String, message: String) throws {
        let error = try refusal(body)
        #expect(error.kind == .invalidRequestBody)
        #expect(error.origin == .client)
        #expect(error.message?.contains(message) == true, "\(error.message ?? "")")
    }

    @Test("text that is not UTF-8 is refused")
    func notUTF8() {
        var body = ByteBuffer(string: #"[{"provider":"openai","endpoint":"x","query":"a"}]"#)
        body.setInteger(0xc3 as UInt8, at: body.readableBytes - 4)
        #expect(throws: GatewayError.self) { try steps(body) }
    }

    @Test("there are at most 20 steps of at most 100 headers")
    func bounds() throws {
        func many(_ count: Int) -> String {
            let object = #"{"provider":"openai","endpoint":"x","query":{}}"#
            return "[" + Array(repeating: object, count: count).joined(separator: ",") + "]"
        }
        #expect(try steps(many(20)).count == 20)
        #expect(try refusal(many(21)).message?.contains("more than 20 steps") == true)
        func headers(_ count: Int) -> String {
            "{" + (0..<count).map { #""h\#($0)":"v""# }.joined(separator: ",") + "}"
        }
        #expect(try step(headers: headers(100)).values("h99") == ["v"])
        let tooMany = #"[{"provider":"openai","endpoint":"x","query":{},"headers":\#(headers(101))}]"#
        #expect(try refusal(tooMany).message?.contains("more than 100 entries") == true)
    }

    @Test("a step whose head would be too large is refused, and no value is quoted")
    func tooLarge() throws {
        let secret = String(repeating: "s3cret", count: 12_000)
        let error = try refusal(
            #"[{"provider":"openai","endpoint":"x","query":{},"headers":{"x-api-key":"\#(secret)"}}]"#)
        #expect(error.kind == .invalidRequestBody)
        #expect(error.message?.contains("step 0") == true)
        #expect(!(error.message ?? "").contains("s3cret") && !error.detail.contains("s3cret"))
    }
}
