import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

@Suite("Chat answers of Gemini")
struct GeminiChatAnswerTests {
    private static let chat = GeminiChat(provider: "g", service: .aiStudio)

    private static func terms(
        _ usage: ChatTerms.UsageChunk = .withheld, style: ChatTerms.CallStyle = .tools
    ) -> ChatTerms {
        var terms = ChatTerms()
        terms.created = 1_700_000_000
        terms.usageChunk = usage
        terms.callStyle = style
        terms.toolNames = ["w_x": "w/x"]
        terms.model = "asked"
        return terms
    }

    private func answer(_ body: String, _ terms: ChatTerms = terms()) throws -> (ChatAnswer, [ReasoningNote]) {
        var notes: [ReasoningNote] = []
        let answer = try Array(body.utf8).withUnsafeBytes { try Self.chat.answer($0, terms, noting: &notes) }
        return (answer, notes)
    }

    private func completion(_ members: String, _ terms: ChatTerms = terms()) throws -> String {
        let body = #"{\#(members),"responseId":"r1","modelVersion":"gemini-x"}"#
        guard case .completion(let json) = try answer(body, terms).0 else { return "no completion" }
        return String(buffer: json)
    }

    private static func candidate(_ parts: String, _ finish: String = "STOP", _ more: String = "") -> String {
        #"{"content":{"parts":[\#(parts)],"role":"model"},"finishReason":"\#(finish)"\#(more)}"#
    }

    private func expected(_ choices: String, _ rest: String = "") -> String {
        #"{"id":"chatcmpl-r1","object":"chat.completion","created":1700000000,"model":"gemini-x","#
            + "\"choices\":[\(choices)]\(rest)}"
    }

    private func choice(_ message: String, _ finish: String, at index: Int = 0, logprobs: String = "null") -> String {
        #"{"index":\#(index),"message":{"role":"assistant",\#(message)},"logprobs":\#(logprobs),"#
            + #""finish_reason":"\#(finish)"}"#
    }

    // MARK: Whole

    @Test("joins texts, keeps thoughts apart, and counts every kind of token")
    func text() throws {
        let parts = #"{"text":"hm","thought":true},{"text":"caf\u00e9 "},{"text":"\"b\"\n"}"#
        let usage = """
            "usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"toolUsePromptTokenCount":2,\
            "candidatesTokenCount":5,"thoughtsTokenCount":3,"totalTokenCount":20,"trafficType":"ON_DEMAND_FLEX",\
            "promptTokensDetails":[{"modality":"TEXT","tokenCount":4},{"modality":"AUDIO","tokenCount":6}]}
            """
        #expect(
            try completion(#""candidates":[\#(Self.candidate(parts))],\#(usage)"#)
                == expected(
                    choice(#""content":"café \"b\"\n","refusal":null,"reasoning_content":"hm""#, "stop"),
                    #","usage":{"prompt_tokens":12,"completion_tokens":8,"total_tokens":20,"#
                        + #""prompt_tokens_details":{"cached_tokens":4,"audio_tokens":6},"#
                        + #""completion_tokens_details":{"reasoning_tokens":3}},"service_tier":"flex""#
                )
        )
    }

    @Test("writes calls with the client's names, the provider's numbers and its signatures, and notes them")
    func calls() throws {
        let parts = """
            {"functionCall":{"id":"c1","name":"w_x","args":{\n  "n": 1.50,\n  "s": "a \\"b\\""\n}},"thoughtSignature":"U0lH"},\
            {"functionCall":{"name":"t"}}
            """
        let body = #"{"candidates":[\#(Self.candidate(parts))],"responseId":"r1","modelVersion":"gemini-x"}"#
        let (answer, notes) = try answer(body)
        guard case .completion(let json) = answer else {
            Issue.record("no completion")
            return
        }
        let id = try #require(JSONID.second(in: String(buffer: json)))
        #expect(id.hasPrefix("call_") && id.utf8.count == 29)
        #expect(
            String(buffer: json)
                == expected(
                    choice(
                        #""content":null,"refusal":null,"tool_calls":[{"id":"c1","type":"function","function":{"#
                            + #""name":"w/x","arguments":"{\"n\":1.50,\"s\":\"a \\\"b\\\"\"}"},"#
                            + #""extra_content":{"google":{"thought_signature":"U0lH"}}},"#
                            + #"{"id":"\#(id)","type":"function","function":{"name":"t","arguments":"{}"}}]"#,
                        "tool_calls"))
        )
        #expect(notes == [ReasoningNote(callID: "c1", content: "U0lH")])
        #expect(
            try completion(#""candidates":[\#(Self.candidate(parts))]"#, Self.terms(style: .function)).contains(
                #""function_call":{"name":"w/x","#)
        )
    }

    @Test("writes every candidate as a choice, in order")
    func candidates() throws {
        let members =
            #""candidates":[\#(Self.candidate(#"{"text":"b"}"#, "MAX_TOKENS", #","index":1"#)),"#
            + #"\#(Self.candidate(#"{"text":"a"}"#))]"#
        #expect(
            try completion(members)
                == expected(
                    choice(#""content":"a","refusal":null"#, "stop") + ","
                        + choice(#""content":"b","refusal":null"#, "length", at: 1))
        )
    }

    @Test(
        "translates why the model stopped",
        arguments: [
            ("STOP", "stop", "stop"), ("FINISH_REASON_UNSPECIFIED", "stop", "stop"), ("MAX_TOKENS", "length", "length"),
            ("SAFETY", "content_filter", "content_filter"), ("RECITATION", "content_filter", "content_filter"),
            ("IMAGE_SAFETY", "content_filter", "content_filter"), ("MALFORMED_FUNCTION_CALL", "stop", "stop"),
            ("OTHER", "stop", "content_filter"), ("NEW_REASON", "stop", "content_filter"),
        ])
    func finish(reason: String, word: String, silent: String) throws {
        #expect(
            try completion(#""candidates":[\#(Self.candidate(#"{"text":"a"}"#, reason))]"#)
                == expected(choice(#""content":"a","refusal":null"#, word))
        )
        #expect(
            try completion(#""candidates":[{"finishReason":"\#(reason)"}]"#)
                == expected(choice(#""content":null,"refusal":null"#, silent))
        )
    }

    @Test("a question that was blocked is an answer without content")
    func blocked() throws {
        #expect(
            try completion(
                #""promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3,"totalTokenCount":3}"#
            )
                == expected(
                    choice(#""content":null,"refusal":null"#, "content_filter"),
                    #","usage":{"prompt_tokens":3,"completion_tokens":0,"total_tokens":3}"#)
        )
    }

    @Test("carries images, sound and code that was run")
    func media() throws {
        let parts = """
            {"inlineData":{"mimeType":"image/png","data":"QUJD"}},{"inlineData":{"mimeType":"audio/wav","data":"QQ=="}},\
            {"executableCode":{"language":"PYTHON","code":"print(1)"}},\
            {"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1\\n"}}
            """
        #expect(
            try completion(#""candidates":[\#(Self.candidate(parts))]"#)
                == expected(
                    choice(
                        #""content":"\n```python\nprint(1)\n```\n\n```\n1\n```\n","refusal":null,"images":"#
                            + #"[{"type":"image_url","#
                            + #""image_url":{"url":"data:image/png;base64,QUJD"},"index":0}],"#
                            + #""audio":{"id":"audio_r1","data":"QQ==","expires_at":0,"transcript":""}"#, "stop"))
        )
    }

    @Test("cites the pages that the text rests on, by characters and not by bytes")
    func grounding() throws {
        let metadata = """
            ,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a.test","title":"A"}},{"maps":{}},\
            {"web":{"uri":"https://b.test"}}],"groundingSupports":[{"segment":{"startIndex":3,"endIndex":5},\
            "groundingChunkIndices":[0,7]}]}
            """
        #expect(
            try completion(#""candidates":[\#(Self.candidate(#"{"text":"üé!"}"#, "STOP", metadata))]"#).contains(
                #""annotations":[{"type":"url_citation","url_citation":{"url":"https://a.test","title":"A","#
                    + #""start_index":2,"end_index":3}},{"type":"url_citation","url_citation":{"url":"https://b.test","#
                    + #""title":"","start_index":0,"end_index":3}}]"#)
        )
    }

    @Test("tells how probable the tokens were")
    func logprobs() throws {
        let result = """
            ,"logprobsResult":{"chosenCandidates":[{"token":"é","tokenId":1,"logProbability":-0.25}],\
            "topCandidates":[{"candidates":[{"token":"é","logProbability":-0.25},{"token":"e","logProbability":-2}]}]}
            """
        let told = """
            {"content":[{"token":"é","logprob":-0.25,"bytes":[195,169],"top_logprobs":[{"token":"é","logprob":-0.25,\
            "bytes":[195,169]},{"token":"e","logprob":-2,"bytes":[101]}]}],"refusal":null}
            """
        #expect(
            try completion(#""candidates":[\#(Self.candidate(#"{"text":"é"}"#, "STOP", result))]"#)
                == expected(choice(#""content":"é","refusal":null"#, "stop", logprobs: told))
        )
    }

    @Test(
        "takes nothing for an answer that is none",
        arguments: [
            "", "{", "[]", "null", "{}", #"{"candidates":[]}"#, #"{"candidates":"x"}"#, #"[{"candidates":[]}]"#,
        ])
    func unreadable(body: String) {
        do {
            _ = try answer(body)
            Issue.record("accepted")
        } catch {
            #expect((error as? GatewayError)?.kind == .unparsableModelOutput)
        }
    }

    // MARK: Errors

    @Test(
        "writes errors as OpenAI does, those in lists too",
        arguments: [
            (
                400, #"{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT"}}"#,
                #""message":"bad","type":"invalid_request_error","param":null,"code":null"#
            ),
            (
                400,
                #"[{"error":{"code":400,"message":"API key not valid.","details":[{"@type":"x"},"#
                    + #"{"reason":"API_KEY_INVALID"}]}}]"#,
                #""message":"API key not valid.","type":"authentication_error","param":null,"code":"invalid_api_key""#
            ),
            (
                429, #"{"error":{"status":"RESOURCE_EXHAUSTED"}}"#,
                #""message":"RESOURCE_EXHAUSTED","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded""#
            ),
            (
                400, #"{"error":{"message":"The input token count exceeds the maximum number of tokens allowed"}}"#,
                #""message":"The input token count exceeds the maximum number of tokens allowed","#
                    + #""type":"invalid_request_error","param":null,"code":"context_length_exceeded""#
            ),
            (503, "<h1>No</h1>", #""message":"No","type":"server_error","param":null,"code":"overloaded""#),
        ])
    func errors(status: Int, body: String, told: String) {
        let failure = Array(body.utf8).withUnsafeBytes { Self.chat.failure(status: status, $0) }
        #expect(failure.status == status)
        #expect(String(buffer: failure.json) == #"{"error":{\#(told),"provider":"g"}}"#)
    }

    @Test("finds an error behind a successful status", arguments: ["%", "[%]"])
    func errorInSuccess(form: String) throws {
        let error = #"{"error":{"code":503,"message":"busy"}}"#
        guard case .failure(let failure) = try answer(form.replacing("%", with: error)).0 else {
            Issue.record("no failure")
            return
        }
        #expect(failure.status == 503 && failure.message == "busy")
        let unclear = #"{"error":{"code":9,"status":"DEADLINE_EXCEEDED"}}"#
        guard case .failure(let failure) = try answer(unclear).0 else {
            Issue.record("no failure")
            return
        }
        #expect(failure.status == 504)
    }

    // MARK: Streams

    private static func event(_ candidates: String, _ more: String = "") -> String {
        #"data: {"candidates":[\#(candidates)],"responseId":"r1","modelVersion":"gemini-x"\#(more)}"# + "\r\n\r\n"
    }

    private static func piece(_ parts: String, _ more: String = "") -> String {
        event(#"{"content":{"parts":[\#(parts)],"role":"model"},"index":0\#(more)}"#)
    }

    private static func usage(_ output: Int) -> String {
        #","usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":\#(output),"totalTokenCount":\#(10 + output)}"#
    }

    private static let mixed =
        #"data: {"usageMetadata":{"promptTokenCount":10},"responseId":"r1"}"# + "\n\n"
        + piece(#"{"text":"hm","thought":true}"#)
        + piece(#"{"text":"caf\u00e9 "},{"text":""},{"text":"\ud83d\ude00\n"}"#)
        + event(
            #"{"content":{"parts":[{"functionCall":{"id":"c1","name":"w_x","args":{"a": "1 2"}},"#
                + #""thoughtSignature":"U0lH"},{"functionCall":{"id":"c2","name":"t"}}]}}"#, usage(3))
        + event(#"{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}"#, usage(9))

    private static func chunk(
        _ delta: String, finish: String = "null", usage: Bool = false, at index: Int = 0, logprobs: String = "null"
    ) -> String {
        #"data: {"id":"chatcmpl-r1","object":"chat.completion.chunk","created":1700000000,"model":"gemini-x","#
            + #""choices":[{"index":\#(index),"delta":\#(delta),"logprobs":\#(logprobs),"finish_reason":\#(finish)}]"#
            + (usage ? #","usage":null}"# : "}") + "\n\n"
    }

    private static let role = #"{"role":"assistant","content":""}"#

    private static func mixedOut(usage: Bool) -> String {
        let deltas = [
            role, #"{"reasoning_content":"hm"}"#, #"{"content":"caf\u00e9 "}"#, #"{"content":"\ud83d\ude00\n"}"#,
            #"{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"w/x","arguments":""},"#
                + #""extra_content":{"google":{"thought_signature":"U0lH"}}}]}"#,
            #"{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":\"1 2\"}"}}]}"#,
            #"{"tool_calls":[{"index":1,"id":"c2","type":"function","function":{"name":"t","arguments":""}}]}"#,
            #"{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}"#,
        ]
        let last =
            #"data: {"id":"chatcmpl-r1","object":"chat.completion.chunk","created":1700000000,"model":"gemini-x","#
            + #""choices":[],"usage":{"prompt_tokens":10,"completion_tokens":9,"total_tokens":19}}"# + "\n\n"
        return deltas.map { chunk($0, usage: usage) }.joined()
            + chunk("{}", finish: #""tool_calls""#, usage: usage) + (usage ? last : "") + "data: [DONE]\n\n"
    }

    private struct Outcome: Equatable {
        var text: String
        var state: ChatStreamState
        var notes: [ReasoningNote] = []
    }

    private func stream(_ text: String, cut: Int? = nil, _ terms: ChatTerms = terms()) -> Outcome {
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
        return Outcome(text: String(buffer: out), state: translator.state, notes: translator.notes)
    }

    @Test("writes the chunks of a stream, with the last usage where it was asked for")
    func chunks() {
        let notes = [ReasoningNote(callID: "c1", content: "U0lH")]
        #expect(stream(Self.mixed) == Outcome(text: Self.mixedOut(usage: false), state: .complete, notes: notes))
        #expect(
            stream(Self.mixed, Self.terms(.wanted))
                == Outcome(text: Self.mixedOut(usage: true), state: .complete, notes: notes)
        )
    }

    @Test("gives the same chunks wherever the stream is cut")
    func everyCut() {
        let expected = Self.mixedOut(usage: true)
        for cut in 0...Self.mixed.utf8.count {
            let outcome = stream(Self.mixed, cut: cut, Self.terms(.wanted))
            #expect(outcome.text == expected && outcome.state == .complete, "cut at \(cut)")
        }
    }

    @Test("never closes a stream in which the model did not say why it stopped")
    func truncated() {
        let bytes = Array(Self.mixed.utf8)
        let last = Self.event(#"{"content":{"parts":[{"text":""}]},"finishReason":"STOP"}"#, Self.usage(9))
        for length in stride(from: 0, through: bytes.count - last.utf8.count, by: 7) {
            let outcome = stream(String(decoding: bytes[..<length], as: UTF8.self))
            #expect(outcome.state == .open && !outcome.text.contains("[DONE]"))
            #expect(!outcome.text.contains(#""finish_reason":""#))
        }
        // One of two candidates is cut.
        let two = stream(
            Self.event(
                #"{"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"},{"content":{"parts":[{"text":"#
                    + #""b"}]},"index":1}"#
            )
        )
        #expect(two.state == .open && !two.text.contains("[DONE]"))
    }

    @Test("writes nothing for events that say nothing, and the role with the first that does")
    func silence() {
        let metadata = #"data: {"candidates":[{"index":0}],"usageMetadata":{"promptTokenCount":1}}"# + "\n\n"
        #expect(stream(metadata) == Outcome(text: "", state: .open))
        #expect(stream("data: garbage\n\ndata: {}\n\n: ping\n\n") == Outcome(text: "", state: .open))
        let answer = stream(metadata + #"data: {"candidates":[{"finishReason":"STOP"}]}"# + "\n\n")
        #expect(answer.state == .complete && answer.text.contains(#""model":"asked""#))
        #expect(answer.text.contains(Self.role) && answer.text.contains(#""finish_reason":"stop""#))
    }

    @Test("streams several candidates side by side")
    func sideBySide() {
        let text =
            Self.event(#"{"content":{"parts":[{"text":"a"}]}},{"content":{"parts":[{"text":"b"}]},"index":1}"#)
            + Self.event(#"{"finishReason":"MAX_TOKENS","index":1},{"finishReason":"STOP","index":0}"#)
        #expect(
            stream(text).text
                == Self.chunk(Self.role) + Self.chunk(#"{"content":"a"}"#) + Self.chunk(Self.role, at: 1)
                + Self.chunk(#"{"content":"b"}"#, at: 1) + Self.chunk("{}", finish: #""stop""#)
                + Self.chunk("{}", finish: #""length""#, at: 1) + "data: [DONE]\n\n"
        )
    }

    @Test("a question that was blocked ends its stream at once")
    func blockedStream() {
        let outcome = stream(#"data: {"promptFeedback":{"blockReason":"SAFETY"},"responseId":"r1"}"# + "\n\n")
        #expect(outcome.state == .complete)
        #expect(outcome.text.contains(#""delta":{},"logprobs":null,"finish_reason":"content_filter""#))
        #expect(outcome.text.hasSuffix("data: [DONE]\n\n"))
    }

    @Test("streams images, probabilities and pages")
    func others() {
        let text =
            Self.piece(
                #"{"inlineData":{"mimeType":"image/png","data":"QUJD"}},{"text":"é"}"#,
                #","logprobsResult":{"chosenCandidates":[{"token":"é","logProbability":-1}]}"#)
            + Self.piece(
                "", #","finishReason":"STOP","groundingMetadata":{"groundingChunks":[{"web":{"uri":"u","title":"t"}}]}"#
            )
        #expect(
            stream(text).text
                == Self.chunk(Self.role)
                + Self.chunk(
                    #"{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"},"index":0}]}"#)
                + Self.chunk(#"{"content":"é"}"#)
                + Self.chunk(
                    "{}",
                    logprobs:
                        #"{"content":[{"token":"é","logprob":-1,"bytes":[195,169],"top_logprobs":[]}],"refusal":null}"#)
                + Self.chunk(
                    #"{"annotations":[{"index":0,"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"#
                        + #""end_index":1}}]}"#) + Self.chunk("{}", finish: #""stop""#) + "data: [DONE]\n\n"
        )
    }

    @Test("reports an error event and writes nothing after it", arguments: ["%", "[%]"])
    func errorEvent(form: String) {
        let error = form.replacing(
            "%", with: #"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}"#)
        let outcome = stream(Self.piece(#"{"text":"a"}"#) + "data: \(error)\n\n" + Self.mixed)
        #expect(outcome.text == Self.chunk(Self.role) + Self.chunk(#"{"content":"a"}"#))
        guard case .failed(let failure) = outcome.state else {
            Issue.record("\(outcome.state)")
            return
        }
        #expect(failure.status == 429 && failure.message == "quota")
    }

    @Test("tells a client of the old form of one call")
    func legacy() {
        let text = stream(Self.mixed, Self.terms(style: .function)).text
        #expect(text.contains(#"{"function_call":{"name":"w/x","arguments":""}}"#))
        #expect(!text.contains("c2") && text.contains(#""finish_reason":"function_call""#))
    }

    @Test("keeps hostile numbers of candidates and notes within bounds")
    func bounds() {
        let candidates = (0..<300).map { #"{"index":\#($0),"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}"# }
        let many = stream(Self.event(candidates.joined(separator: ",") + #",{"index":-1},{"index":1e99}"#))
        #expect(many.text.split(separator: "\n\n").filter { $0.contains(#""finish_reason":"stop""#) }.count == 128)
        let call = #"{"functionCall":{"name":"f"},"thoughtSignature":"U0lH"}"#
        let calls = stream(Self.piece(Array(repeating: call, count: 300).joined(separator: ",")))
        #expect(calls.notes.count == ReasoningBounds.notesPerAnswer)
    }
}

/// Finds the ids in a completion.
private enum JSONID {
    /// The id of the second call.
    static func second(in text: String) -> String? {
        let parts = text.split(separator: #"{"id":""#)
        guard parts.count > 2, parts[1].hasPrefix("c1\"") else { return nil }
        return String(parts[2].prefix { $0 != "\"" })
    }
}
