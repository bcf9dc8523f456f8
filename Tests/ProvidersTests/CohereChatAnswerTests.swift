import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

@Suite("Chat answers of Cohere")
struct CohereChatAnswerTests {
    private static let chat = CohereChat(provider: "cohere")

    private static func terms(
        _ usage: ChatTerms.UsageChunk = .withheld, style: ChatTerms.CallStyle = .tools
    ) -> ChatTerms {
        var terms = ChatTerms()
        terms.created = 1_700_000_000
        terms.usageChunk = usage
        terms.callStyle = style
        terms.model = "command-a"
        return terms
    }

    private func answer(_ body: String, _ terms: ChatTerms = terms()) throws -> ChatAnswer {
        try Array(body.utf8).withUnsafeBytes { try Self.chat.answer($0, terms) }
    }

    private func completion(_ members: String) throws -> String {
        guard case .completion(let json) = try answer(#"{"id":"co-1",\#(members)}"#) else { return "no completion" }
        return String(buffer: json)
    }

    private func expected(_ message: String, _ finish: String, _ rest: String = "", logprobs: String = "null") -> String
    {
        #"{"id":"chatcmpl-co-1","object":"chat.completion","created":1700000000,"model":"command-a","choices":["#
            + #"{"index":0,"message":{"role":"assistant",\#(message)},"logprobs":\#(logprobs),"finish_reason":\#(finish)}]"#
            + "\(rest)}"
    }

    @Test("joins texts, tells thoughts apart and counts tokens, not billed units")
    func text() throws {
        let members =
            #""message":{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"a\n"},"#
            + #"{"type":"text","text":"b"}]},"finish_reason":"COMPLETE","usage":{"billed_units":{"input_tokens":3,"#
            + #""output_tokens":2},"tokens":{"input_tokens":12.0,"output_tokens":5.0},"cached_tokens":4}"#
        #expect(
            try completion(members)
                == expected(
                    #""content":"a\nb","refusal":null,"reasoning_content":"hm""#, #""stop""#,
                    #","usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17,"#
                        + #""prompt_tokens_details":{"cached_tokens":4}}"#))
    }

    @Test("writes calls with their plan; arguments stay the model's text")
    func calls() throws {
        let members =
            #""message":{"tool_plan":"I look.","tool_calls":[{"id":"f_1","type":"function","function":{"name":"f","#
            + #""arguments":"{\"a\":1.50}"}},{"id":"g_1","type":"function","function":{"name":"g","arguments":null}}]},"#
            + #""finish_reason":"TOOL_CALL""#
        #expect(
            try completion(members)
                == expected(
                    #""content":null,"refusal":null,"reasoning_content":"I look.","tool_calls":[{"id":"f_1","#
                        + #""type":"function","function":{"name":"f","arguments":"{\"a\":1.50}"}},{"id":"g_1","#
                        + #""type":"function","function":{"name":"g","arguments":"{}"}}]"#, #""tool_calls""#))
    }

    private static let citation =
        #"{"start":0,"end":2,"text":"ok","type":"TEXT_CONTENT","sources":[{"type":"document","id":"d"}]}"#
    private static let annotation =
        #"{"type":"cohere_citation","start":0,"end":2,"text":"ok","citation_type":"TEXT_CONTENT","#
        + #""sources":[{"type":"document","id":"d"}]}"#

    @Test("keeps all that a citation says")
    func citations() throws {
        let members =
            #""message":{"content":[{"type":"text","text":"ok"}],"citations":[\#(Self.citation)]},"finish_reason":"COMPLETE""#
        #expect(
            try completion(members)
                == expected(#""content":"ok","refusal":null,"annotations":[\#(Self.annotation)]"#, #""stop""#))
    }

    @Test("tells probabilities where every piece is one token")
    func logprobs() throws {
        func members(_ list: String) -> String {
            #""message":{"content":[{"type":"text","text":"hi"}]},"finish_reason":"COMPLETE","logprobs":\#(list)"#
        }
        #expect(
            try completion(members(#"[{"text":"hi","token_ids":[7],"logprobs":[-0.25]}]"#))
                == expected(
                    #""content":"hi","refusal":null"#, #""stop""#,
                    logprobs:
                        #"{"content":[{"token":"hi","logprob":-0.25,"bytes":[104,105],"top_logprobs":[]}],"refusal":null}"#
                ))
        for list in [#"[{"text":"hi","token_ids":[7,8],"logprobs":[-0.25,-1]}]"#, "[]", "null"] {
            #expect(try completion(members(list)) == expected(#""content":"hi","refusal":null"#, #""stop""#))
        }
    }

    @Test(
        "translates why the model stopped",
        arguments: [
            (#""COMPLETE""#, #""stop""#), (#""STOP_SEQUENCE""#, #""stop""#), (#""MAX_TOKENS""#, #""length""#),
            (#""ERROR_TOXIC""#, #""content_filter""#), (#""NEW""#, #""stop""#), ("null", "null"),
        ])
    func finish(reason: String, word: String) throws {
        let members = #""message":{"content":[{"type":"text","text":"a"}]},"finish_reason":\#(reason)"#
        #expect(try completion(members).contains(#""finish_reason":\#(word)"#))
    }

    @Test("takes an answer that ended in an error for one", arguments: [("ERROR", 502), ("TIMEOUT", 504)])
    func failedAnswer(reason: String, status: Int) throws {
        guard
            case .failure(let failure) = try answer(
                #"{"id":"c","message":{"content":[]},"finish_reason":"\#(reason)"}"#)
        else {
            Issue.record("no failure")
            return
        }
        #expect(failure.status == status)
    }

    @Test("takes nothing for an answer that is none", arguments: ["", "{", "[]", "null", "{}", #"{"message":"x"}"#])
    func unreadable(body: String) {
        do {
            _ = try answer(body)
            Issue.record("accepted")
        } catch {
            #expect((error as? GatewayError)?.kind == .unparsableModelOutput)
        }
    }

    @Test(
        "writes errors as OpenAI does",
        arguments: [
            (400, #"{"message":"bad","id":"x"}"#, "bad", "invalid_request_error", "null"),
            (
                400, #"{"message":"too many tokens: maximum context length is 5"}"#,
                "too many tokens: maximum context length is 5", "invalid_request_error", #""context_length_exceeded""#
            ),
            (498, #"{"message":"invalid token"}"#, "invalid token", "authentication_error", #""invalid_api_key""#),
            (429, "slow down", "slow down", "rate_limit_error", #""rate_limit_exceeded""#),
            (500, #"{"message":5}"#, #"{"message":5}"#, "server_error", "null"),
        ])
    func errors(status: Int, body: String, message: String, type: String, code: String) {
        let failure = Array(body.utf8).withUnsafeBytes { Self.chat.failure(status: status, $0) }
        #expect(failure.status == status)
        #expect(
            String(buffer: failure.json)
                == #"{"error":{"message":\#(JSONPatch.quoted(message)),"type":"\#(type)","param":null,"code":\#(code),"#
                + #""provider":"cohere"}}"#)
    }

    // MARK: Streams

    private static func event(_ type: String, _ members: String = "") -> String {
        "event: \(type)\ndata: {\"type\":\"\(type)\"\(members.isEmpty ? "" : ",")\(members)}\n\n"
    }
    private static func delta(_ type: String, _ message: String, index: Int = 0) -> String {
        event(type, #""index":\#(index),"delta":{"message":\#(message)}"#)
    }
    private static func end(_ delta: String) -> String { event("message-end", #""delta":\#(delta)"#) }
    private static func chunk(_ delta: String, finish: String = "null", usage: Bool = false) -> String {
        #"data: {"id":"chatcmpl-co-1","object":"chat.completion.chunk","created":1700000000,"model":"command-a","#
            + #""choices":[{"index":0,"delta":\#(delta),"logprobs":null,"finish_reason":\#(finish)}]"#
            + (usage ? #","usage":null}"# : "}") + "\n\n"
    }

    private static let start = event("message-start", #""id":"co-1","delta":{"message":{"role":"assistant"}}"#)
    private static let usage =
        #""usage":{"billed_units":{"input_tokens":1},"tokens":{"input_tokens":10,"output_tokens":9}}"#
    private static let mixed =
        start + event("debug") + delta("content-start", #"{"content":{"type":"thinking","thinking":""}}"#)
        + delta("content-delta", #"{"content":{"thinking":"hm"}}"#) + event("content-end", #""index":0"#)
        + delta("content-start", #"{"content":{"type":"text","text":""}}"#)
        + delta("content-delta", #"{"content":{"text":"caf\u00e9 \ud83d\ude00\n"}}"#)
        + delta("citation-start", #"{"citations":\#(citation)}"#) + event("citation-end", #""index":0"#)
        + event("content-end", #""index":0"#) + delta("tool-plan-delta", #"{"tool_plan":"I look."}"#)
        + delta(
            "tool-call-start",
            #"{"tool_calls":{"id":"f_1","type":"function","function":{"name":"f","arguments":""}}}"#)
        + delta("tool-call-delta", #"{"tool_calls":{"function":{"arguments":"{\"a\": "}}}"#)
        + delta("tool-call-delta", #"{"tool_calls":{"function":{"arguments":"1}"}}}"#)
        + event("tool-call-end", #""index":0"#)
        + delta(
            "tool-call-start",
            #"{"tool_calls":{"id":"g_1","type":"function","function":{"name":"g","arguments":"{}"}}}"#, index: 1)
        + event("tool-call-end", #""index":1"#)
        + delta(
            "tool-call-start", #"{"tool_calls":{"id":"h_1","type":"function","function":{"name":"h"}}}"#, index: 2)
        + event("tool-call-end", #""index":2"#) + end(#"{"finish_reason":"TOOL_CALL",\#(usage)}"#)

    private static func mixedOut(usage: Bool) -> String {
        let deltas = [
            #"{"role":"assistant","content":""}"#, #"{"reasoning_content":"hm"}"#,
            #"{"content":"caf\u00e9 \ud83d\ude00\n"}"#, #"{"annotations":[{"index":0,\#(annotation.dropFirst())]}"#,
            #"{"reasoning_content":"I look."}"#,
            #"{"tool_calls":[{"index":0,"id":"f_1","type":"function","function":{"name":"f","arguments":""}}]}"#,
            #"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": "}}]}"#,
            #"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
            #"{"tool_calls":[{"index":1,"id":"g_1","type":"function","function":{"name":"g","arguments":""}}]}"#,
            #"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
            #"{"tool_calls":[{"index":2,"id":"h_1","type":"function","function":{"name":"h","arguments":""}}]}"#,
            #"{"tool_calls":[{"index":2,"function":{"arguments":"{}"}}]}"#,
        ]
        let last =
            #"data: {"id":"chatcmpl-co-1","object":"chat.completion.chunk","created":1700000000,"model":"command-a","#
            + #""choices":[],"usage":{"prompt_tokens":10,"completion_tokens":9,"total_tokens":19}}"# + "\n\n"
        return deltas.map { chunk($0, usage: usage) }.joined()
            + chunk("{}", finish: #""tool_calls""#, usage: usage) + (usage ? last : "") + "data: [DONE]\n\n"
    }

    private func stream(
        _ text: String, cut: Int? = nil, _ terms: ChatTerms = terms()
    ) -> (text: String, state: ChatStreamState) {
        let bytes = Array(text.utf8)
        var parser = SSEParser()
        var translator = Self.chat.stream(terms)
        var out = ByteBuffer()
        for part in [bytes[..<(cut ?? bytes.count)], bytes[(cut ?? bytes.count)...]] {
            try? part.withUnsafeBytes { piece in
                try parser.feed(piece) { translator.take($0, $1, into: &out) }
            }
        }
        parser.finish { translator.take($0, $1, into: &out) }
        translator.finish(into: &out)
        return (String(buffer: out), translator.state)
    }

    @Test("writes the chunks of a stream, with usage where it was asked for")
    func streamed() {
        for (terms, usage) in [(Self.terms(), false), (Self.terms(.wanted), true)] {
            let result = stream(Self.mixed, terms)
            #expect(result.text == Self.mixedOut(usage: usage))
            #expect(result.state == .complete)
        }
    }

    @Test("writes the same wherever the stream is cut into two")
    func cuts() {
        let whole = Self.mixedOut(usage: false)
        for cut in 0...Self.mixed.utf8.count {
            let result = stream(Self.mixed, cut: cut)
            #expect(result.text == whole && result.state == .complete, "cut at \(cut)")
        }
    }

    @Test("is complete at no earlier byte than the closing event's last")
    func prefixes() {
        let bytes = Array(Self.mixed.utf8)
        for count in stride(from: 0, to: bytes.count - 4, by: 7) {
            #expect(stream(String(decoding: bytes[..<count], as: UTF8.self)).state == .open, "\(count) bytes")
        }
    }

    @Test(
        "ends with the provider's error where there is one",
        arguments: [
            (end(#"{"error":"no luck","finish_reason":"ERROR"}"#), 502, "no luck"),
            (end(#"{"error":"no luck"}"#), 502, "no luck"),
            (end(#"{"finish_reason":"TIMEOUT"}"#), 504, "The provider gave no reason"),
            ("data: {\"message\":\"internal\"}\n\n", 502, "internal"),
        ])
    func streamedErrors(last: String, status: Int, message: String) {
        let result = stream(Self.start + last)
        #expect(result.text == Self.chunk(#"{"role":"assistant","content":""}"#))
        guard case .failed(let failure) = result.state else {
            Issue.record("no failure")
            return
        }
        #expect((failure.status, failure.message) == (status, message))
    }

    @Test("does not invent a reason to stop")
    func noReason() {
        #expect(stream(Self.start + Self.end(#"{"finish_reason":null}"#)).state == .open)
    }

    @Test("tells a client of the deprecated form of one call")
    func legacy() {
        let text = stream(Self.mixed, Self.terms(style: .function)).text
        #expect(text.contains(#"{"function_call":{"name":"f","arguments":""}}"#))
        #expect(!text.contains("tool_calls") && !text.contains(#""name":"g""#))
        #expect(text.contains(#""finish_reason":"function_call""#))
    }
}
