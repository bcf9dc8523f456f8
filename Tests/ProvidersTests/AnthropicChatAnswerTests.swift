import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

@Suite("Chat answers of Anthropic")
struct AnthropicChatAnswerTests {
    private static let chat = AnthropicChat(provider: "anthropic")

    private static func terms(
        _ usage: ChatTerms.UsageChunk = .withheld, style: ChatTerms.CallStyle = .tools, output: String? = nil
    ) -> ChatTerms {
        var terms = ChatTerms()
        terms.created = 1_700_000_000
        terms.usageChunk = usage
        terms.callStyle = style
        terms.outputTool = output
        terms.toolNames = ["w_x": "w.x"]
        return terms
    }

    private func answer(_ body: String, _ terms: ChatTerms = terms()) throws -> ChatAnswer {
        try Array(body.utf8).withUnsafeBytes { try Self.chat.answer($0, terms) }
    }

    private func completion(_ members: String, _ terms: ChatTerms = terms()) throws -> String {
        let body = #"{"id":"msg_1","type":"message","role":"assistant","model":"claude-x",\#(members)}"#
        guard case .completion(let json) = try answer(body, terms) else { return "no completion" }
        return String(buffer: json)
    }

    private static let head =
        #"{"id":"chatcmpl-msg_1","object":"chat.completion","created":1700000000,"model":"claude-x","#
        + #""choices":[{"index":0,"message":{"role":"assistant","#

    private func expected(_ message: String, _ finish: String, _ rest: String = "") -> String {
        "\(Self.head)\(message)},\"logprobs\":null,\"finish_reason\":\(finish)}]\(rest)}"
    }

    @Test("joins texts and counts what the cache saved")
    func text() throws {
        let members =
            #""content":[{"type":"text","text":"caf\u00e9 "},{"type":"text","text":"\"b\"\n"}],"#
            + #""stop_reason":"end_turn","usage":{"input_tokens":10,"cache_read_input_tokens":5,"#
            + #""cache_creation_input_tokens":3,"output_tokens":7,"output_tokens_details":{"thinking_tokens":2},"#
            + #""service_tier":"standard"}"#
        #expect(
            try completion(members)
                == expected(
                    #""content":"café \"b\"\n","refusal":null"#, #""stop""#,
                    #","usage":{"prompt_tokens":18,"completion_tokens":7,"total_tokens":25,"#
                        + #""prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":3},"#
                        + #""completion_tokens_details":{"reasoning_tokens":2}},"service_tier":"default""#
                )
        )
    }

    @Test("writes calls with the client's names and the provider's numbers")
    func calls() throws {
        let members =
            #""content":[{"type":"text","text":""},{"type":"tool_use","id":"toolu_1","name":"w_x","#
            + #""input":{"n":1.50,"s":"a\"b"}},{"type":"tool_use","id":"toolu_2","name":"t","input":{}}],"#
            + #""stop_reason":"tool_use""#
        let calls =
            #"[{"id":"toolu_1","type":"function","function":{"name":"w.x","#
            + #""arguments":"{\"n\":1.50,\"s\":\"a\\\"b\"}"}},"#
            + #"{"id":"toolu_2","type":"function","function":{"name":"t","arguments":"{}"}}]"#
        #expect(
            try completion(members)
                == expected(#""content":null,"refusal":null,"tool_calls":\#(calls)"#, #""tool_calls""#)
        )
        #expect(
            try completion(members, Self.terms(style: .function)).contains(
                #""function_call":{"name":"w.x","arguments":"{\"n\":1.50,\"s\":\"a\\\"b\"}"}},"logprobs":null,"#
                    + #""finish_reason":"function_call""#)
        )
    }

    @Test("keeps thinking apart from the text, and citations as annotations")
    func thinking() throws {
        let blocks =
            #"{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"}"#
        let members =
            #""content":[\#(blocks),{"type":"server_tool_use","id":"x","name":"web_search","input":{}},"#
            + #"{"type":"text","text":"ok","citations":[{"type":"web_search_result_location","url":"https://a.test","#
            + #""title":"A"}]}],"stop_reason":"end_turn""#
        #expect(
            try completion(members)
                == expected(
                    #""content":"ok","refusal":null,"reasoning_content":"hm","thinking_blocks":[\#(blocks)],"#
                        + #""annotations":[{"type":"url_citation","url_citation":{"url":"https://a.test","title":"A","#
                        + #""start_index":0,"end_index":2}}]"#, #""stop""#)
        )
    }

    @Test("gives the input of the forced tool as text")
    func outputTool() throws {
        let members =
            #""content":[{"type":"tool_use","id":"t","name":"json_output","input":{"a":1}}],"stop_reason":"tool_use""#
        #expect(
            try completion(members, Self.terms(output: "json_output"))
                == expected(#""content":"{\"a\":1}","refusal":null"#, #""stop""#)
        )
    }

    @Test(
        "translates why the model stopped",
        arguments: [
            (#""end_turn""#, #""stop""#), (#""stop_sequence""#, #""stop""#), (#""max_tokens""#, #""length""#),
            (#""model_context_window_exceeded""#, #""length""#), (#""pause_turn""#, #""length""#),
            (#""refusal""#, #""content_filter""#), (#""new_reason""#, #""stop""#), ("null", "null"),
        ])
    func finish(reason: String, word: String) throws {
        let members = #""content":[{"type":"text","text":"a"}],"stop_reason":\#(reason)"#
        #expect(try completion(members) == expected(#""content":"a","refusal":null"#, word))
    }

    @Test("tells why the model refused")
    func refusal() throws {
        let members = #""content":[],"stop_reason":"refusal","stop_details":{"explanation":"no"}"#
        #expect(try completion(members) == expected(#""content":null,"refusal":"no""#, #""content_filter""#))
    }

    @Test("takes nothing for an answer that is none", arguments: ["", "{", "[]", "null", "{}", #"{"content":"x"}"#])
    func unreadable(body: String) {
        do {
            _ = try answer(body)
            Issue.record("accepted")
        } catch {
            #expect((error as? GatewayError)?.kind == .unparsableModelOutput)
        }
    }

    @Test("finds an error behind a successful status")
    func errorInSuccess() throws {
        let body = #"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#
        guard case .failure(let failure) = try answer(body) else {
            Issue.record("no failure")
            return
        }
        #expect(failure.status == 529 && failure.message == "Overloaded")
    }

    @Test(
        "writes errors as OpenAI does",
        arguments: [
            (
                400, #"{"type":"error","error":{"type":"invalid_request_error","message":"bad"}}"#,
                #"{"message":"bad","type":"invalid_request_error","param":null,"code":null,"provider":"anthropic"}"#
            ),
            (
                400, #"{"error":{"message":"prompt is too long: 9 tokens"}}"#,
                #"{"message":"prompt is too long: 9 tokens","type":"invalid_request_error","param":null,"#
                    + #""code":"context_length_exceeded","provider":"anthropic"}"#
            ),
            (
                401, #"{"error":{"message":"no"}}"#,
                #"{"message":"no","type":"authentication_error","param":null,"code":"invalid_api_key","#
                    + #""provider":"anthropic"}"#
            ),
            (
                429, #"{"error":{"type":"rate_limit_error"}}"#,
                #"{"message":"rate_limit_error","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded","#
                    + #""provider":"anthropic"}"#
            ),
            (
                529, "<html><h1>Over\n  loaded</h1></html>",
                #"{"message":"Over loaded","type":"server_error","param":null,"code":"overloaded","#
                    + #""provider":"anthropic"}"#
            ),
            (
                500, "",
                #"{"message":"The provider gave no reason","type":"server_error","param":null,"code":null,"#
                    + #""provider":"anthropic"}"#
            ),
        ])
    func errors(status: Int, body: String, expected: String) {
        let failure = Array(body.utf8).withUnsafeBytes { Self.chat.failure(status: status, $0) }
        #expect(failure.status == status)
        #expect(String(buffer: failure.json).replacingPrefix(#"{"error":"#) == expected + "}")
    }

    // MARK: Streams

    private static func event(_ name: String, _ members: String) -> String {
        "event: \(name)\ndata: {\"type\":\"\(name)\"\(members.isEmpty ? "" : ",")\(members)}\n\n"
    }

    private static let start = event(
        "message_start",
        #""message":{"id":"msg_1","model":"claude-x","content":[],"usage":{"input_tokens":10,"output_tokens":1}}"#)
    private static func open(_ index: Int, _ block: String) -> String {
        event("content_block_start", #""index":\#(index),"content_block":\#(block)"#)
    }
    private static func delta(_ index: Int, _ delta: String) -> String {
        event("content_block_delta", #""index":\#(index),"delta":\#(delta)"#)
    }
    private static func close(_ index: Int) -> String { event("content_block_stop", #""index":\#(index)"#) }
    private static func end(_ reason: String) -> String {
        event("message_delta", #""delta":{"stop_reason":"\#(reason)"},"usage":{"output_tokens":9}"#)
            + event("message_stop", "")
    }

    private static let mixed =
        start + event("ping", "") + open(0, #"{"type":"thinking","thinking":""}"#)
        + delta(0, #"{"type":"thinking_delta","thinking":"hm"}"#)
        + delta(0, #"{"type":"signature_delta","signature":"s"}"#) + close(0)
        + open(1, #"{"type":"text","text":""}"#)
        + delta(1, #"{"type":"text_delta","text":"caf\u00e9 \ud83d\ude00\n"}"#)
        + delta(1, #"{"type":"text_delta","text":""}"#) + close(1)
        + open(2, #"{"type":"tool_use","id":"toolu_1","name":"w_x","input":{}}"#)
        + open(5, #"{"type":"tool_use","id":"toolu_2","name":"t","input":{}}"#)
        + delta(2, #"{"type":"input_json_delta","partial_json":""}"#)
        + delta(2, #"{"type":"input_json_delta","partial_json":"{\"a\": "}"#)
        + delta(2, #"{"type":"input_json_delta","partial_json":"1}"}"#) + close(2) + close(5)
        + open(6, #"{"type":"server_tool_use","id":"s","name":"web_search","input":{}}"#)
        + delta(6, #"{"type":"input_json_delta","partial_json":"{}"}"#) + close(6) + end("tool_use")

    private static func chunk(_ delta: String, finish: String = "null", usage: Bool = false) -> String {
        #"data: {"id":"chatcmpl-msg_1","object":"chat.completion.chunk","created":1700000000,"model":"claude-x","#
            + #""choices":[{"index":0,"delta":\#(delta),"logprobs":null,"finish_reason":\#(finish)}]"#
            + (usage ? #","usage":null}"# : "}") + "\n\n"
    }

    private static func mixedOut(usage: Bool) -> String {
        let deltas = [
            #"{"role":"assistant","content":""}"#, #"{"reasoning_content":"hm"}"#,
            #"{"thinking_blocks":[{"index":0,"type":"thinking","thinking":"hm","signature":"s"}]}"#,
            #"{"content":"caf\u00e9 \ud83d\ude00\n"}"#,
            #"{"tool_calls":[{"index":0,"id":"toolu_1","type":"function","function":{"name":"w.x","arguments":""}}]}"#,
            #"{"tool_calls":[{"index":1,"id":"toolu_2","type":"function","function":{"name":"t","arguments":""}}]}"#,
            #"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": "}}]}"#,
            #"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
            #"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
        ]
        let last =
            #"data: {"id":"chatcmpl-msg_1","object":"chat.completion.chunk","created":1700000000,"model":"claude-x","#
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
        return (String(buffer: out), translator.state)
    }

    @Test("writes the chunks of a stream, with usage where it was asked for")
    func chunks() {
        #expect(stream(Self.mixed) == (Self.mixedOut(usage: false), .complete))
        #expect(stream(Self.mixed, Self.terms(.wanted)) == (Self.mixedOut(usage: true), .complete))
    }

    @Test("gives the same chunks wherever the stream is cut")
    func everyCut() {
        let expected = Self.mixedOut(usage: true)
        for cut in 0...Self.mixed.utf8.count {
            let (text, state) = stream(Self.mixed, cut: cut, Self.terms(.wanted))
            #expect(text == expected && state == .complete, "cut at \(cut)")
        }
    }

    @Test("tells what texts rest on when they are over, with places in the whole text")
    func citations() {
        func cite(_ index: Int, _ url: String) -> String {
            Self.delta(
                index,
                #"{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"\#(url)","title":"T"}}"#
            )
        }
        func said(_ index: Int, _ url: String, _ start: Int, _ end: Int) -> String {
            #"{"index":\#(index),"type":"url_citation","url_citation":{"url":"\#(url)","title":"T","start_index":\#(start),"#
                + #""end_index":\#(end)}}"#
        }
        func text(_ index: Int, _ text: String, _ more: String = "") -> String {
            Self.open(index, #"{"type":"text","text":""}"#)
                + Self.delta(index, #"{"type":"text_delta","text":"\#(text)"}"#) + more + Self.close(index)
        }
        // A document's citation has no address and is none of OpenAI's.
        let document = Self.delta(1, #"{"type":"citations_delta","citation":{"type":"char_location"}}"#)
        let given =
            Self.start + text(0, "\\u00e9\\ud83d\\ude00") + text(1, "ab", cite(1, "u1") + document + cite(1, "u2"))
            + Self.open(2, #"{"type":"tool_use","id":"toolu_1","name":"t","input":{}}"#) + Self.close(2)
            + text(3, "c", cite(3, "u3")) + Self.end("tool_use")
        let lists = stream(given).text.split(separator: "\n\n").filter { $0.contains("annotations") }
        #expect(
            lists.map { String($0) + "\n\n" } == [
                Self.chunk(#"{"annotations":[\#(said(0, "u1", 2, 4)),\#(said(1, "u2", 2, 4))]}"#),
                Self.chunk(#"{"annotations":[\#(said(2, "u3", 4, 5))]}"#),
            ])
    }

    @Test("tells what a text rests on before the model goes on thinking")
    func citationsBeforeThoughts() {
        let citation = Self.delta(
            0, #"{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"u","title":"T"}}"#)
        for (block, delta) in [
            (#"{"type":"thinking","thinking":""}"#, #"{"type":"thinking_delta","thinking":"hm"}"#),
            (#"{"type":"redacted_thinking","data":"s"}"#, ""),
        ] {
            let given =
                Self.start + Self.open(0, #"{"type":"text","text":"ab"}"#) + citation + Self.close(0)
                + Self.open(1, block) + (delta.isEmpty ? "" : Self.delta(1, delta)) + Self.close(1)
                + Self.open(2, #"{"type":"text","text":"cd"}"#) + Self.close(2) + Self.end("end_turn")
            let chunks = stream(given).text.split(separator: "\n\n")
            let told = chunks.firstIndex { $0.contains("annotations") }
            let thought = chunks.firstIndex {
                $0.contains("reasoning_content") || $0.contains("thinking_blocks") || $0.contains(#""content":"cd""#)
            }
            #expect(told != nil && thought != nil)
            if let told, let thought { #expect(told < thought) }
        }
    }

    @Test("tells why the model refused at the end of a stream")
    func streamedRefusal() {
        let end =
            Self.event(
                "message_delta",
                #""delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","explanation":"no"}},"usage":{}"#)
            + Self.event("message_stop", "")
        #expect(
            stream(Self.start + end).text.hasSuffix(
                Self.chunk(#"{"refusal":"no"}"#) + Self.chunk("{}", finish: #""content_filter""#) + "data: [DONE]\n\n"))
    }

    @Test("never closes a stream that its provider did not close")
    func truncated() {
        let bytes = Array(Self.mixed.utf8)
        let terminal = bytes.count - "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n".utf8.count
        for length in stride(from: 0, through: terminal, by: 7) {
            let (text, state) = stream(String(decoding: bytes[..<length], as: UTF8.self))
            #expect(state == .open && !text.contains("[DONE]") && !text.contains(#""finish_reason":""#))
        }
        // Closed, but nobody said why.
        let silent = stream(Self.start + Self.event("message_stop", ""))
        #expect(silent.state == .open && !silent.text.contains("[DONE]"))
    }

    @Test("reports an error event and writes nothing after it")
    func errorEvent() {
        let error = Self.event("error", #""error":{"type":"overloaded_error","message":"Overloaded"}"#)
        let (text, state) = stream(Self.start + error + Self.end("end_turn"))
        #expect(text == Self.chunk(#"{"role":"assistant","content":""}"#))
        guard case .failed(let failure) = state else {
            Issue.record("\(state)")
            return
        }
        #expect(failure.status == 529)
        #expect(String(buffer: failure.event).hasPrefix(#"data: {"error":{"message":"Overloaded","#))
    }

    @Test("streams the input of the forced tool as text, and one call to clients of the old form")
    func otherForms() {
        let forced =
            Self.start + Self.open(0, #"{"type":"tool_use","id":"x","name":"json_output","input":{}}"#)
            + Self.delta(0, #"{"type":"input_json_delta","partial_json":"{\"a\":1}"}"#) + Self.close(0)
            + Self.end("tool_use")
        #expect(
            stream(forced, Self.terms(output: "json_output")).text
                == Self.chunk(#"{"role":"assistant","content":""}"#) + Self.chunk(#"{"content":"{\"a\":1}"}"#)
                + Self.chunk("{}", finish: #""stop""#) + "data: [DONE]\n\n"
        )
        let legacy = stream(Self.mixed, Self.terms(style: .function)).text
        #expect(legacy.contains(#"{"function_call":{"name":"w.x","arguments":""}}"#))
        #expect(legacy.contains(#"{"function_call":{"arguments":"1}"}}"#))
        #expect(!legacy.contains("toolu_2") && legacy.contains(#""finish_reason":"function_call""#))
    }
}

extension String {
    fileprivate func replacingPrefix(_ prefix: String) -> String {
        hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self
    }
}
