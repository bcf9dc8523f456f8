import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// providers.md §11.1: answers of OpenAI-shaped providers.
@Suite("Chat answers in the dialects of OpenAI-shaped providers")
struct ChatDialectAnswerTests {
    private static let answers = DialectAnswers(provider: "groq")
    private static func terms(_ usage: ChatTerms.UsageChunk = .withheld) -> ChatTerms {
        var terms = ChatTerms()
        terms.created = 1_700_000_000
        terms.usageChunk = usage
        return terms
    }

    private func answer(_ body: String) throws -> ChatAnswer {
        try Array(body.utf8).withUnsafeBytes { try Self.answers.answer($0, Self.terms()) }
    }

    private func completion(_ choice: String) throws -> String {
        let head = #"{"id":"1","object":"chat.completion","created":5,"choices":["#
        guard case .completion(let json) = try answer(head + choice + "]}") else { return "no completion" }
        let text = String(buffer: json)
        return text.hasPrefix(head) ? String(text.dropFirst(head.count).dropLast(2)) : text
    }

    @Test(
        "an answer in OpenAI's form stays as it is, byte for byte",
        arguments: [
            "{ \"id\" : \"1\",\"object\":\"chat.completion\",\"created\":1.0e3,\"choices\":[{\"index\":0,\"message\":"
                + "{\"role\":\"assistant\",\"content\":\"caf\\u00e9\",\"tool_calls\":[{\"id\":\"c\",\"type\":\"function\","
                + "\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}],\"x\":[ ]}",
            "not json", "[1]", #"{"id":"1","object":"o","created":1,"error":null}"#,
            #"{"id":"1","object":"o","created":1,"error":"","choices":[]}"#,
            #"{"id":"1","object":"o","created":1,"error":{},"choices":[]}"#,
        ])
    func verbatim(body: String) throws {
        #expect(try answer(body) == .completion(ByteBuffer(string: body)))
        // Blank lines in front keep a connection alive and mean nothing.
        if body.hasPrefix("{") { #expect(try answer("\n\n" + body) == .completion(ByteBuffer(string: body))) }
    }

    @Test(
        "members that are null stand once, with what they should be",
        arguments: [
            (
                #"{"id":null,"object":null,"created":null,"choices":[]}"#,
                #"{"id":"chatcmpl-1700000000","object":"chat.completion","created":1700000000,"choices":[]}"#
            ),
            (
                #"{"choices":[],"created":5,"id":null}"#,
                #"{"id":"chatcmpl-1700000000","object":"chat.completion","choices":[],"created":5}"#
            ),
            (
                #"{"id":null}"#,
                #"{"id":"chatcmpl-1700000000","object":"chat.completion","created":1700000000}"#
            ),
        ])
    func nullMembers(body: String, expected: String) throws {
        #expect(try answer(body) == .completion(ByteBuffer(string: expected)))
    }

    @Test(
        "N2 to N5 and lists of parts",
        arguments: [
            (
                #"{"message":{"reasoning":"hm","content":"a"},"finish_reason":"stop"}"#,
                #"{"message":{"reasoning_content":"hm","reasoning":"hm","content":"a"},"finish_reason":"stop"}"#
            ),
            (
                #"{"message":{"reasoning":"hm","reasoning_content":"own"}}"#,
                #"{"message":{"reasoning":"hm","reasoning_content":"own"}}"#
            ),
            (
                #"{"message":{"reasoning_content":null,"reasoning":"hm"}}"#,
                #"{"message":{"reasoning_content":"hm","reasoning":"hm"}}"#
            ),
            (#"{"message":{"reasoning":null}}"#, #"{"message":{"reasoning":null}}"#),
            (
                #"{"message":{"tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":"b"}}}]},"finish_reason":"stop"}"#,
                #"{"message":{"tool_calls":[{"type":"function","id":"c","function":{"name":"f","#
                    + #""arguments":"{\"a\":\"b\"}"}}]},"finish_reason":"tool_calls"}"#
            ),
            (#"{"message":{"content":"a"},"finish_reason":""}"#, #"{"message":{"content":"a"},"finish_reason":null}"#),
            (
                #"{"message":{"content":"a"},"finish_reason":"model_length"}"#,
                #"{"message":{"content":"a"},"finish_reason":"length"}"#
            ),
            (
                #"{"message":{"content":"a"},"finish_reason":"eos"}"#,
                #"{"message":{"content":"a"},"finish_reason":"stop"}"#
            ),
            (
                #"{"message":{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]},{"type":"text","text":"a"},"#
                    + #"{"type":"reference","reference_ids":[1]},{"type":"text","text":"b"}]}}"#,
                #"{"message":{"reasoning_content":"hm","annotations":[{"type":"reference","reference_ids":[1]}],"content":"ab"}}"#
            ),
            (#"{"message":{"content":"<think>hm</think>a"}}"#, #"{"message":{"content":"<think>hm</think>a"}}"#),
        ])
    func normalised(given: String, expected: String) throws {
        #expect(try completion(given) == expected)
    }

    @Test("N6: what every answer has is filled in")
    func envelope() throws {
        #expect(
            try answer(#"{"choices":[]}"#)
                == .completion(
                    ByteBuffer(
                        string:
                            #"{"id":"chatcmpl-1700000000","object":"chat.completion","created":1700000000,"choices":[]}"#
                    )))
    }

    @Test(
        "an error behind a successful status is one, with its own type and code",
        arguments: [
            (
                #"{"error":{"message":"no","code":429,"metadata":{}}}"#, 429, "no", "rate_limit_error",
                "rate_limit_exceeded"
            ),
            (#"{"error":{"message":"no","type":"t","code":"c","param":"p"}}"#, 502, "no", "t", "c"),
            (#"{"error":"plain","code":"503"}"#, 503, "plain", "server_error", "overloaded"),
            (
                #"{"choices":[{"message":{},"finish_reason":"insufficient_system_resource"}]}"#, 503,
                "The provider ran out of resources", "server_error", "overloaded"
            ),
            (
                #"{"choices":[{"message":{},"finish_reason":"error"}]}"#, 502, "The model stopped for an error",
                "server_error", nil
            ),
        ] as [(String, Int, String, String, String?)])
    func errors(body: String, status: Int, message: String, type: String, code: String?) throws {
        guard case .failure(let failure) = try answer(body) else {
            Issue.record("no failure")
            return
        }
        #expect((failure.status, failure.message, failure.type, failure.code) == (status, message, type, code))
    }

    // MARK: Streams

    private static func chunk(_ choices: String, _ more: String = "") -> String {
        "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":5,\"choices\":[\(choices)]\(more)}\n\n"
    }
    private static let done = "data: [DONE]\n\n"
    private static let role = chunk(#"{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}"#)
    private static let stop = chunk(#"{"index":0,"delta":{},"finish_reason":"stop"}"#)
    private static let usage = chunk("", #","usage":{"prompt_tokens":1,"completion_tokens":2}"#)

    private func stream(
        _ text: String, cut: Int? = nil, _ usage: ChatTerms.UsageChunk = .withheld
    ) -> (text: String, state: ChatStreamState) {
        let bytes = Array(text.utf8)
        var parser = SSEParser()
        var translator = Self.answers.stream(Self.terms(usage))
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

    @Test("a stream in OpenAI's form stays as it is, comments apart")
    func streamVerbatim() {
        let events =
            Self.role + "event: x\ndata: {\"id\":\"2\",\"object\":\"o\",\"created\":1}\n\ndata: odd\n\n" + Self.stop
        #expect(
            stream(": keep-alive\n\n" + events + ": OPENROUTER PROCESSING\n\n" + Self.done).text == events + Self.done)
    }

    private static let odd =
        "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"},\"message\":{\"content\":\"all of it\"}}]}\n\n"
        + chunk(#"{"delta":{"content":[{"type":"text","text":"caf\u00e9"}]},"finish_reason":""}"#)
        + chunk(#"{"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}}"#)
        + chunk(#"{"delta":{"tool_calls":[{"function":{"arguments":"}"}}]}}"#)
        + chunk(#"{"delta":{"tool_calls":[{"id":"b","function":{"name":"g","arguments":{}}}]}}"#)
        + chunk(#"{"delta":{"tool_calls":[{"id":"a","function":{"arguments":" "}}]}}"#)
        + chunk("") + stop
    private static let oddOut =
        "data: {\"id\":\"chatcmpl-1700000000\",\"object\":\"chat.completion.chunk\",\"created\":1700000000,"
        + "\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\",\"reasoning\":\"hm\"}}]}\n\n"
        + chunk(#"{"delta":{"content":"café"},"finish_reason":null}"#)
        + chunk(
            #"{"delta":{"tool_calls":[{"index":0,"type":"function","id":"a","function":{"name":"f","arguments":"{"}}]}}"#
        )
        + chunk(#"{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}}"#)
        + chunk(
            #"{"delta":{"tool_calls":[{"index":1,"type":"function","id":"b","function":{"name":"g","arguments":"{}"}}]}}"#
        )
        + chunk(#"{"delta":{"tool_calls":[{"index":0,"type":"function","id":"a","function":{"arguments":" "}}]}}"#)
        + chunk(#"{"index":0,"delta":{},"finish_reason":"tool_calls"}"#)

    @Test("N2 to N6 and N9 in events: reasoning, places of calls, reasons; empty events go")
    func streamNormalised() {
        #expect(stream(Self.odd + Self.done).text == Self.oddOut + Self.done)
    }

    @Test("the same wherever the stream is cut into two")
    func cuts() {
        for cut in 0...Self.odd.utf8.count {
            #expect(stream(Self.odd, cut: cut).text == Self.oddOut + Self.done, "cut at \(cut)")
        }
    }

    @Test("17.1: the usage chunk is for those who asked, and a filter's note for everybody")
    func usageChunk() {
        let filter = Self.chunk("", #","prompt_filter_results":[{}]"#)
        let events = filter + Self.role + Self.stop + Self.usage + Self.done
        #expect(stream(events).text == filter + Self.role + Self.stop + Self.done)
        #expect(stream(events, .wanted).text == events)
    }

    @Test("17.1: a stream may end without [DONE] once it has said why; before, it is cut")
    func ends() {
        for (events, isComplete) in [
            (Self.role, false), (Self.role + Self.stop, true), (Self.role + Self.usage, true), ("", false),
            (Self.role + Self.chunk(#"{"delta":{},"finish_reason":""}"#), false),
        ] {
            let result = stream(events)
            #expect((result.state == .complete) == isComplete)
            #expect(result.text.hasSuffix(Self.done) == isComplete)
        }
    }

    @Test(
        "17.1: an error inside a stream ends it, whichever way it is told",
        arguments: [
            ("data: {\"error\":{\"message\":\"no\",\"code\":429}}\n\n", 429, "no"),
            ("event: error\ndata: {\"message\":\"no\"}\n\n", 502, #"{"message":"no"}"#),
            (
                chunk(#"{"delta":{},"finish_reason":"error"}"#, #","error":{"code":"server_error","message":"gone"}"#),
                502, "gone"
            ),
            (
                chunk(#"{"delta":{},"finish_reason":"insufficient_system_resource"}"#), 503,
                "The provider ran out of resources"
            ),
        ])
    func streamErrors(event: String, status: Int, message: String) {
        let result = stream(Self.role + event + Self.done)
        #expect(result.text == Self.role)
        guard case .failed(let failure) = result.state else {
            Issue.record("no failure")
            return
        }
        #expect((failure.status, failure.message) == (status, message))
    }

    @Test("a model's choices are told apart")
    func choices() {
        let events =
            Self.chunk(#"{"index":0,"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":""}}]}}"#)
            + Self.chunk(#"{"index":1,"delta":{"tool_calls":[{"id":"b","function":{"name":"f","arguments":""}}]}}"#)
            + Self.chunk(#"{"index":2,"delta":{"content":"x"},"finish_reason":"stop"}"#)
        let out = stream(events).text
        #expect(out.contains(#"{"index":0,"type":"function","id":"b""#))
        #expect(out.contains(#""index":2,"delta":{"content":"x"},"finish_reason":"stop""#))
    }
}
