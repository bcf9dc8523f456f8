import GatewayCore
import NIOCore
import TestKit
import Testing
import WireFormats

@testable import Providers

@Suite("Chat answers of Bedrock")
struct BedrockChatAnswerTests {
    private static let chat = BedrockChat(provider: "aws-bedrock")

    private static func terms(
        _ usage: ChatTerms.UsageChunk = .withheld, style: ChatTerms.CallStyle = .tools,
        output: String? = nil
    ) -> ChatTerms {
        var terms = ChatTerms()
        terms.created = 1_700_000_000
        terms.usageChunk = usage
        terms.callStyle = style
        terms.outputTool = output
        terms.toolNames = ["w_x": "w.x"]
        terms.model = "amazon.nova-x"
        terms.answerID = "req-1"
        return terms
    }

    private func answer(_ body: String, _ terms: ChatTerms = terms()) throws -> ChatAnswer {
        try Array(body.utf8).withUnsafeBytes { try Self.chat.answer($0, terms) }
    }

    private func completion(_ content: String, _ rest: String, _ terms: ChatTerms = terms()) throws
        -> String
    {
        let body = #"{"output":{"message":{"role":"assistant","content":[\#(content)]}},\#(rest)}"#
        guard case .completion(let json) = try answer(body, terms) else { return "no completion" }
        return String(buffer: json)
    }

    private static let head =
        #"{"id":"chatcmpl-req-1","object":"chat.completion","created":1700000000,"model":"amazon.nova-x","#
        + #""choices":[{"index":0,"message":{"role":"assistant","#

    private func expected(_ message: String, _ finish: String, _ rest: String = "") -> String {
        "\(Self.head)\(message)},\"logprobs\":null,\"finish_reason\":\(finish)}]\(rest)}"
    }

    @Test("joins texts and counts what the cache saved")
    func text() throws {
        #expect(
            try completion(
                #"{"text":"caf\u00e9 "},{"text":"\"b\"\n"}"#,
                #""stopReason":"end_turn","usage":{"inputTokens":10,"outputTokens":7,"totalTokens":25,"#
                    + #""cacheReadInputTokens":5,"cacheWriteInputTokens":3},"metrics":{"latencyMs":5},"#
                    + #""serviceTier":{"type":"flex"}"#
            )
                == expected(
                    #""content":"café \"b\"\n","refusal":null"#, #""stop""#,
                    #","usage":{"prompt_tokens":18,"completion_tokens":7,"total_tokens":25,"#
                        + #""prompt_tokens_details":{"cached_tokens":5,"cache_write_tokens":3}},"#
                        + #""service_tier":"flex""#
                )
        )
    }

    private static let use =
        #"{"toolUse":{"toolUseId":"t1","name":"w_x","input":{"n":1.50,"s":"a\"b"}}},"#
        + #"{"toolUse":{"toolUseId":"s","name":"search","type":"server_tool_use","input":{}}},"#
        + #"{"toolUse":{"toolUseId":"t2","name":"t","input":{}}}"#

    @Test("an answer of calls alone is an answer; the provider's own calls are not told")
    func calls() throws {
        let calls =
            #"[{"id":"t1","type":"function","function":{"name":"w.x","arguments":"{\"n\":1.50,\"s\":\"a\\\"b\"}"}},"#
            + #"{"id":"t2","type":"function","function":{"name":"t","arguments":"{}"}}]"#
        #expect(
            try completion(Self.use, #""stopReason":"tool_use""#)
                == expected(#""content":null,"refusal":null,"tool_calls":\#(calls)"#, #""tool_calls""#)
        )
        #expect(
            try completion(Self.use, #""stopReason":"tool_use""#, Self.terms(style: .function)).contains(
                #""finish_reason":"function_call""#)
        )
    }

    @Test("keeps reasoning apart from the text, and sources as annotations")
    func reasoning() throws {
        let thoughts =
            #"{"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},"#
            + #"{"reasoningContent":{"redactedContent":"QQ=="}},"#
            + #"{"reasoningContent":{"reasoningText":{"text":"?"}}}"#
        // In Anthropic's form, whoever runs the model; what cannot be given back is text only.
        let blocks =
            #"{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"QQ=="}"#
        let cited =
            #"{"citationsContent":{"content":[{"text":"ok"}],"citations":[{"title":"A","location":{"web":"#
            + #"{"url":"https://a.test","domain":"a.test"}}},{"title":"D","source":"doc","sourceContent":"#
            + #"[{"text":"x"},{"text":"y"}],"location":{"documentPage":{"documentIndex":0,"start":1,"end":2}}}]}}"#
        #expect(
            try completion("\(thoughts),{\"text\":\"so \"},\(cited)", #""stopReason":"end_turn""#)
                == expected(
                    #""content":"so ok","refusal":null,"reasoning_content":"hm?","thinking_blocks":[\#(blocks)],"#
                        + #""annotations":[{"type":"url_citation","url_citation":{"url":"https://a.test","title":"A","#
                        + #""start_index":3,"end_index":5}},{"type":"bedrock_citation","bedrock_citation":"#
                        + #"{"title":"D","source":"doc","text":"x\ny","start_index":3,"end_index":5}}]"#,
                    #""stop""#
                )
        )
    }

    @Test("gives the input of the forced tool as text")
    func outputTool() throws {
        #expect(
            try completion(
                #"{"toolUse":{"toolUseId":"t","name":"json_output","input":{"a":1}}}"#,
                #""stopReason":"tool_use""#,
                Self.terms(output: "json_output")
            ) == expected(#""content":"{\"a\":1}","refusal":null"#, #""stop""#)
        )
    }

    @Test(
        "translates why the model stopped",
        arguments: [
            (#""end_turn""#, #""stop""#), (#""stop_sequence""#, #""stop""#),
            (#""max_tokens""#, #""length""#),
            (#""model_context_window_exceeded""#, #""length""#), (#""malformed_tool_use""#, #""stop""#),
            (#""guardrail_intervened""#, #""content_filter""#),
            (#""content_filtered""#, #""content_filter""#),
            (#""new_reason""#, #""stop""#), ("null", "null"),
        ])
    func finish(reason: String, word: String) throws {
        let json = try completion(#"{"text":"a"}"#, #""stopReason":\#(reason)"#)
        #expect(json.contains(#""finish_reason":\#(word)"#))
    }

    @Test(
        "what is no Converse object is an error",
        arguments: ["", "[]", "{}", "{", #"{"output":{}}"#, #"{"output":7}"#])
    func unreadable(body: String) throws {
        #expect(throws: GatewayError.self) { try answer(body) }
    }

    @Test("finds an error behind a successful status")
    func errorIn200() throws {
        guard case .failure(let failure) = try answer(#"{"message":"no such thing"}"#) else {
            Issue.record("no failure")
            return
        }
        #expect(failure.status == 502 && failure.message == "no such thing")
    }

    @Test(
        "writes errors as OpenAI does",
        arguments: [
            (
                400, #"{"message":"bad"}"#,
                #""bad","type":"invalid_request_error","param":null,"code":null"#
            ),
            (
                400, #"{"Message":"Input is too long for requested model."}"#,
                #""Input is too long for requested model.","type":"invalid_request_error","param":null,"#
                    + #""code":"context_length_exceeded""#
            ),
            (
                403, #"{"message":"no access"}"#,
                #""no access","type":"permission_error","param":null,"code":null"#
            ),
            (424, #"{"message":"m"}"#, #""m","type":"server_error","param":null,"code":"model_error""#),
            (
                429, #"{"message":""}"#,
                #""The provider gave no reason","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded""#
            ), (503, "<p>down</p>", #""down","type":"server_error","param":null,"code":"overloaded""#),
        ])
    func failures(status: Int, body: String, expected: String) {
        let failure = Array(body.utf8).withUnsafeBytes { Self.chat.failure(status: status, $0) }
        #expect(failure.status == status)
        #expect(
            String(buffer: failure.json)
                == #"{"error":{"message":\#(expected),"provider":"aws-bedrock"}}"#)
    }

    // MARK: Streams

    private static func delta(_ index: Int, _ delta: String) -> [UInt8] {
        EventFrame.event(
            "contentBlockDelta", #"{"contentBlockIndex":\#(index),"delta":\#(delta),"p":"abcd"}"#)
    }
    private static func close(_ index: Int) -> [UInt8] {
        EventFrame.event("contentBlockStop", #"{"contentBlockIndex":\#(index)}"#)
    }
    private static func open(_ index: Int, _ use: String) -> [UInt8] {
        EventFrame.event(
            "contentBlockStart", #"{"contentBlockIndex":\#(index),"start":{"toolUse":{\#(use)}}}"#)
    }
    private static func stop(_ reason: String) -> [UInt8] {
        EventFrame.event("messageStop", #"{"stopReason":"\#(reason)"}"#)
    }

    private static let start = EventFrame.event("messageStart", #"{"role":"assistant"}"#)
    private static let metadata = EventFrame.event(
        "metadata",
        #"{"usage":{"inputTokens":10,"outputTokens":9,"totalTokens":19},"metrics":{"latencyMs":1}}"#)

    private static let untilStop: [UInt8] = {
        var bytes = start + delta(0, #"{"reasoningContent":{"text":"hm"}}"#)
        bytes += delta(0, #"{"reasoningContent":{"signature":"s"}}"#) + close(0)
        bytes += delta(7, #"{"reasoningContent":{"redactedContent":"QQ=="}}"#) + close(7)
        bytes += delta(1, #"{"text":"caf\u00e9 \ud83d\ude00\n"}"#) + delta(1, #"{"text":""}"#)
        bytes +=
            delta(1, #"{"citation":{"title":"A","location":{"web":{"url":"https://a.test"}}}}"#)
            + close(1)
        bytes += open(2, #""toolUseId":"t1","name":"w_x""#) + open(5, #""toolUseId":"t2","name":"t""#)
        bytes += delta(2, #"{"toolUse":{"input":""}}"#) + delta(2, #"{"toolUse":{"input":"{\"a\": "}}"#)
        bytes += delta(2, #"{"toolUse":{"input":"1}"}}"#) + close(2) + close(5)
        bytes += open(6, #""toolUseId":"s","name":"search","type":"server_tool_use""#)
        bytes += delta(6, #"{"toolUse":{"input":"{}"}}"#) + close(6)
        return bytes + EventFrame.event("somethingNew", "{}")
    }()
    private static let mixed = untilStop + stop("tool_use") + metadata

    private static func chunk(_ delta: String, finish: String = "null", usage: Bool = false) -> String {
        #"data: {"id":"chatcmpl-req-1","object":"chat.completion.chunk","created":1700000000,"#
            + #""model":"amazon.nova-x","choices":[{"index":0,"delta":\#(delta),"logprobs":null,"#
            + #""finish_reason":\#(finish)}]"# + (usage ? #","usage":null}"# : "}") + "\n\n"
    }

    private static func mixedOut(usage: Bool) -> String {
        let deltas = [
            #"{"role":"assistant","content":""}"#, #"{"reasoning_content":"hm"}"#,
            #"{"thinking_blocks":[{"index":0,"type":"thinking","thinking":"hm","signature":"s"}]}"#,
            #"{"thinking_blocks":[{"index":1,"type":"redacted_thinking","data":"QQ=="}]}"#,
            #"{"content":"caf\u00e9 \ud83d\ude00\n"}"#,
            #"{"annotations":[{"index":0,"type":"url_citation","url_citation":{"url":"https://a.test","title":"A"}}]}"#,
            #"{"tool_calls":[{"index":0,"id":"t1","type":"function","function":{"name":"w.x","arguments":""}}]}"#,
            #"{"tool_calls":[{"index":1,"id":"t2","type":"function","function":{"name":"t","arguments":""}}]}"#,
            #"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\": "}}]}"#,
            #"{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}"#,
            #"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
        ]
        let last =
            #"data: {"id":"chatcmpl-req-1","object":"chat.completion.chunk","created":1700000000,"#
            + #""model":"amazon.nova-x","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":9,"#
            + #""total_tokens":19}}"# + "\n\n"
        return deltas.map { chunk($0, usage: usage) }.joined()
            + chunk("{}", finish: #""tool_calls""#, usage: usage) + (usage ? last : "")
            + "data: [DONE]\n\n"
    }

    private func stream(
        _ bytes: [UInt8], cut: Int? = nil, _ terms: ChatTerms = terms()
    ) -> (text: String, state: ChatStreamState) {
        var reader = EventReader(.amazon)
        var translator = Self.chat.stream(terms)
        var out = ByteBuffer()
        for part in [bytes[..<(cut ?? bytes.count)], bytes[(cut ?? bytes.count)...]] {
            try? part.withUnsafeBytes { piece in
                try reader.feed(piece) { translator.take($0, $1, into: &out) }
            }
        }
        reader.finish { translator.take($0, $1, into: &out) }
        translator.finish(into: &out)
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
        for cut in 0...Self.mixed.count {
            let (text, state) = stream(Self.mixed, cut: cut, Self.terms(.wanted))
            #expect(text == expected && state == .complete, "cut at \(cut)")
        }
    }

    @Test("never closes a stream whose model has not stopped")
    func truncated() {
        for length in 0..<(Self.untilStop.count + Self.stop("tool_use").count) {
            let (text, state) = stream(Array(Self.mixed[..<length]))
            #expect(state == .open && !text.contains("[DONE]") && !text.contains(#""finish_reason":""#))
        }
        let silent = stream(Self.start + Self.metadata)
        #expect(silent.state == .open && !silent.text.contains("[DONE]"))
    }

    @Test("closes a stream whose usage never came, and says nothing of usage")
    func withoutMetadata() {
        let (text, state) = stream(Self.untilStop + Self.stop("tool_use"), Self.terms(.wanted))
        #expect(
            state == .complete && text.hasSuffix("data: [DONE]\n\n") && !text.contains("prompt_tokens"))
        #expect(text.contains(#""finish_reason":"tool_calls""#))
    }

    @Test(
        "reports exceptions with the status they stand for and writes nothing after them",
        arguments: [
            ("throttlingException", 429), ("validationException", 400), ("internalServerException", 500),
            ("modelStreamErrorException", 424), ("serviceUnavailableException", 503),
            ("ModelTimeoutException", 408),
            ("accessDeniedException", 403), ("resourceNotFoundException", 404),
            ("somethingNewException", 500),
        ])
    func exceptions(type: String, status: Int) {
        let frames = Self.start + EventFrame.exception(type, #"{"message":"slow down"}"#) + Self.mixed
        let (text, state) = stream(frames)
        #expect(text == Self.chunk(#"{"role":"assistant","content":""}"#))
        guard case .failed(let failure) = state else {
            Issue.record("\(state)")
            return
        }
        #expect(failure.status == status && failure.message == "slow down")
        #expect(
            stream(EventFrame.exception(type, "")).state
                == .failed(ChatFailure(status: status, message: type, provider: "aws-bedrock")))
    }

    @Test("reports errors that have no payload")
    func errorFrames() {
        let frame = EventFrame.bytes(
            [
                (":message-type", "error"), (":error-code", "InternalError"),
                (":error-message", "it broke"),
            ], "")
        guard case .failed(let failure) = stream(frame).state else {
            Issue.record("not failed")
            return
        }
        #expect(failure.status == 500 && failure.message == "it broke")
    }

    @Test("streams the input of the forced tool as text, and one call to clients of the old form")
    func otherForms() {
        let forced =
            Self.start + Self.open(0, #""toolUseId":"x","name":"json_output""#)
            + Self.delta(0, #"{"toolUse":{"input":"{\"a\":1}"}}"#) + Self.close(0) + Self.stop("tool_use")
            + Self.metadata
        #expect(
            stream(forced, Self.terms(output: "json_output")).text
                == Self.chunk(#"{"role":"assistant","content":""}"#)
                + Self.chunk(#"{"content":"{\"a\":1}"}"#)
                + Self.chunk("{}", finish: #""stop""#) + "data: [DONE]\n\n"
        )
        let legacy = stream(Self.mixed, Self.terms(style: .function)).text
        #expect(legacy.contains(#"{"function_call":{"name":"w.x","arguments":""}}"#))
        #expect(!legacy.contains("t2") && legacy.contains(#""finish_reason":"function_call""#))
    }

    @Test("payloads that are no JSON, or whose strings hold line breaks, write nothing of their own")
    func hostilePayloads() {
        let frames =
            Self.start
            + ["", "7", "[]", "{", "{\"contentBlockIndex\":0,\"delta\":{\"text\":\"a\n\ndata: x\"}}"]
            .flatMap {
                EventFrame.event("contentBlockDelta", $0) + EventFrame.event("contentBlockStart", $0)
            } + Self.delta(9, #"{"toolUse":{"input":"{}"}}"#)
        #expect(stream(frames).text == Self.chunk(#"{"role":"assistant","content":""}"#))
    }
}
