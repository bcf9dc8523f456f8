import Foundation
import GatewayCore
import NIOCore
import Providers
import Testing

/// The known traps of streams (providers.md §17.1) that show in a translation alone.
///
/// `Tests/Traps.md` lists all of them with the tests that hold them.
@Suite struct StreamTrapTests {
    /// A short stream of each format: text, a call, the end.
    static let streams: [(model: String, events: [String], terminal: Int)] = [
        (
            "anthropic/claude-x",
            [
                named(
                    "message_start", #""message":{"id":"m","model":"c","usage":{"input_tokens":3,"output_tokens":1}}"#),
                named("content_block_start", #""index":0,"content_block":{"type":"text","text":""}"#),
                named("content_block_delta", #""index":0,"delta":{"type":"text_delta","text":"I look."}"#),
                named("content_block_stop", #""index":0"#),
                named(
                    "content_block_start",
                    #""index":1,"content_block":{"type":"tool_use","id":"t1","name":"f","input":{}}"#),
                named("content_block_delta", #""index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\""}"#),
                named("content_block_delta", #""index":1,"delta":{"type":"input_json_delta","partial_json":":1}"}"#),
                named("content_block_stop", #""index":1"#),
                named("message_delta", #""delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9}"#),
                named("message_stop", #""x":1"#),
            ], 9
        ),
        (
            "google-ai-studio/gemini-3-flash",
            [
                plain(
                    #"{"candidates":[{"content":{"parts":[{"text":"I look."}]}}],"usageMetadata":{"promptTokenCount":3}}"#
                ),
                plain(
                    #"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":1},"id":"t1"}}]}}]}"#),
                plain(
                    #"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":9,"totalTokenCount":12}}"#
                ),
            ], 2
        ),
        (
            "aws-bedrock/amazon.nova-x",
            [
                event("messageStart", #"{"role":"assistant"}"#),
                event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"text":"I look."}}"#),
                event("contentBlockStop", #"{"contentBlockIndex":0}"#),
                event(
                    "contentBlockStart", #"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"t1","name":"f"}}}"#),
                event("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"toolUse":{"input":"{\"a\""}}}"#),
                event("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"toolUse":{"input":":1}"}}}"#),
                event("contentBlockStop", #"{"contentBlockIndex":1}"#),
                event("messageStop", #"{"stopReason":"tool_use"}"#),
                event("metadata", #"{"usage":{"inputTokens":3,"outputTokens":9,"totalTokens":12}}"#),
            ], 7
        ),
        (
            "cohere/command-x",
            [
                named("message-start", #""id":"c""#),
                named("content-start", #""index":0,"delta":{"message":{"content":{"type":"text","text":""}}}"#),
                named("content-delta", #""index":0,"delta":{"message":{"content":{"text":"I look."}}}"#),
                named("content-end", #""index":0"#),
                named(
                    "tool-call-start",
                    #""index":0,"delta":{"message":{"tool_calls":{"id":"t1","type":"function","function":{"name":"f","arguments":""}}}}"#
                ),
                named(
                    "tool-call-delta",
                    #""index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":"{\"a\""}}}}"#),
                named(
                    "tool-call-delta", #""index":0,"delta":{"message":{"tool_calls":{"function":{"arguments":":1}"}}}}"#
                ),
                named("tool-call-end", #""index":0"#),
                named(
                    "message-end",
                    #""delta":{"finish_reason":"TOOL_CALL","usage":{"tokens":{"input_tokens":3,"output_tokens":9}}}"#),
            ], 8
        ),
        (
            "mistral/m",
            [
                chunk(#"{"role":"assistant","content":"I look."}"#),
                chunk(#"{"tool_calls":[{"id":"t1","function":{"name":"f","arguments":"{\"a\""}}]}"#),
                chunk(#"{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}"#), chunk("{}", #""tool_calls""#),
                plain(
                    #"{"id":"c","object":"chat.completion.chunk","created":1,"choices":[],"usage":{"prompt_tokens":3}}"#
                ),
                plain("[DONE]"),
            ], 3
        ),
    ]

    private static func named(_ type: String, _ members: String) -> String {
        event(type, #"{"type":"\#(type)",\#(members)}"#)
    }
    private static func event(_ name: String, _ data: String) -> String { "event: \(name)\ndata: \(data)\n\n" }
    private static func plain(_ data: String) -> String { "data: \(data)\n\n" }
    private static func chunk(_ delta: String, _ reason: String = "null") -> String {
        plain(
            #"{"id":"c","object":"chat.completion.chunk","created":1,"choices":[{"index":0,"delta":\#(delta),"finish_reason":\#(reason)}]}"#
        )
    }

    @Test(
        "trap: a stream that ends before its terminal signal has no reason to stop and no [DONE]",
        arguments: streams.indices)
    func cut(index: Int) throws {
        let (model, events, terminal) = Self.streams[index]
        let chat = try TrapChat(model)
        for count in 0...events.count {
            let (told, state) = try chat.streamed(Array(events.prefix(count)))
            guard count > terminal else {
                #expect(state == .open && !told.contains("[DONE]"), "\(model), \(count) events")
                #expect(!told.contains { $0.contains(#""finish_reason":""#) }, "\(model), \(count) events")
                continue
            }
            #expect(state == .complete && told.last == "[DONE]", "\(model), \(count) events")
            #expect(told.count { $0.contains(#""finish_reason":"tool_calls""#) } == 1, "\(model), \(count) events")
        }
    }

    @Test("trap: the first chunk names the role, and no other does", arguments: streams.indices)
    func role(index: Int) throws {
        let deltas = try TrapChat(Self.streams[index].model).deltas(Self.streams[index].events)
        #expect(deltas.first?.text("role") == "assistant")
        #expect(deltas.count { $0["role"] != nil } == 1)
    }

    @Test(
        "trap: a call behind text is kept, counted from zero, and its id and name are told once",
        arguments: streams.indices)
    func callBehindText(index: Int) throws {
        let deltas = try TrapChat(Self.streams[index].model).deltas(Self.streams[index].events)
        #expect(deltas.compactMap { $0.text("content") }.joined() == "I look.")
        let calls = deltas.flatMap { $0.list("tool_calls") }
        #expect(calls.allSatisfy { $0["index"] as? Int == 0 })
        #expect(calls.compactMap { $0.text("id") } == ["t1"])
        #expect(calls.compactMap { $0.text("function.name") } == ["f"])
        #expect(calls.compactMap { $0.text("function.arguments") }.joined() == #"{"a":1}"#)
    }

    @Test("trap: the place of a call among calls is not its block's place among blocks")
    func blockIndex() throws {
        func start(_ block: Int, _ id: String) -> String {
            Self.event(
                "contentBlockStart",
                #"{"contentBlockIndex":\#(block),"start":{"toolUse":{"toolUseId":"\#(id)","name":"f"}}}"#)
        }
        let events = [
            Self.event("messageStart", #"{"role":"assistant"}"#),
            Self.event("contentBlockDelta", #"{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"hm"}}}"#),
            Self.event("contentBlockDelta", #"{"contentBlockIndex":1,"delta":{"text":"a"}}"#), start(2, "x"),
            Self.event("contentBlockDelta", #"{"contentBlockIndex":2,"delta":{"toolUse":{"input":"{}"}}}"#),
            start(5, "y"),
            Self.event("contentBlockStop", #"{"contentBlockIndex":5}"#),
        ]
        let calls = try TrapChat("aws-bedrock/amazon.nova-x").deltas(events).flatMap { $0.list("tool_calls") }
        let places = Dictionary(grouping: calls) { $0["index"] as? Int ?? -1 }
        #expect(places.keys.sorted() == [0, 1])
        #expect(places[0]?.first?.text("id") == "x" && places[1]?.first?.text("id") == "y")
        #expect(places[1]?.compactMap { $0.text("function.arguments") }.joined() == "{}")
    }

    @Test("trap: interleaved pieces of parallel calls go to their own calls, by block")
    func interleaved() throws {
        func piece(_ block: Int, _ json: String) -> String {
            Self.named(
                "content_block_delta",
                #""index":\#(block),"delta":{"type":"input_json_delta","partial_json":"\#(json)"}"#)
        }
        func start(_ block: Int, _ id: String) -> String {
            Self.named(
                "content_block_start",
                #""index":\#(block),"content_block":{"type":"tool_use","id":"\#(id)","name":"f","input":{}}"#)
        }
        let events = [
            Self.streams[0].events[0], start(1, "x"), start(2, "y"), piece(1, "[1"), piece(2, "[2"), piece(1, "]"),
            piece(2, "]"),
        ]
        let calls = try TrapChat("anthropic/claude-x").deltas(events).flatMap { $0.list("tool_calls") }
        for (place, id, arguments) in [(0, "x", "[1]"), (1, "y", "[2]")] {
            let own = calls.filter { $0["index"] as? Int == place }
            #expect(own.compactMap { $0.text("id") } == [id])
            #expect(own.compactMap { $0.text("function.arguments") }.joined() == arguments)
        }
    }

    @Test("trap: heartbeats are comments, not events, wherever they come", arguments: streams.indices)
    func heartbeats(index: Int) throws {
        let (model, events, _) = Self.streams[index]
        let chat = try TrapChat(model)
        let beaten = events.flatMap { [": OPENROUTER PROCESSING\n\n", ":\n", $0, ": keep-alive\n\n"] }
        #expect(try chat.streamed(beaten).told == chat.streamed(events).told)
    }

    @Test("trap: a chunk of usage without choices is for those who asked, and ends nothing", arguments: streams.indices)
    func usageChunk(index: Int) throws {
        let (model, events, _) = Self.streams[index]
        let chat = try TrapChat(model)
        var terms = ChatTerms()
        terms.usageChunk = .wanted
        func choiceless(_ told: [String]) -> Int { told.count { $0.contains(#""choices":[]"#) } }
        #expect(choiceless(try chat.streamed(events).told) == 0)
        let (told, state) = try chat.streamed(events, terms)
        #expect(choiceless(told) == 1 && state == .complete)
        #expect(told.dropLast().last?.contains(#""prompt_tokens":3"#) == true)
    }

    @Test("trap: the last of Gemini's counts is told, not the first and not the sum")
    func geminiUsage() throws {
        func counted(_ output: Int, _ more: String) -> String {
            Self.plain(
                #"{"candidates":[{"content":{"parts":[{"text":"a"}]}\#(more)}],"usageMetadata":"#
                    + #"{"promptTokenCount":3,"candidatesTokenCount":\#(output),"totalTokenCount":\#(output + 3)}}"#)
        }
        var terms = ChatTerms()
        terms.usageChunk = .wanted
        let chat = try TrapChat("google-ai-studio/gemini-3-flash")
        let told = try chat.streamed([counted(1, ""), counted(5, ""), counted(9, #","finishReason":"STOP""#)], terms)
            .told
        #expect(told.count { $0.contains(#""completion_tokens":9"#) } == 1)
        #expect(!told.contains { $0.contains(#""completion_tokens":1,"#) || $0.contains(#""completion_tokens":15"#) })
    }

    @Test(
        "trap: an error event is an error with its own status, never an empty answer that ended well",
        arguments: [
            (
                "anthropic/claude-x", #"{"type":"error","error":{"type":"overloaded_error","message":"no"}}"#, "error",
                529
            ),
            (
                "anthropic/claude-x", #"{"type":"error","error":{"type":"rate_limit_error","message":"no"}}"#, "error",
                429
            ),
            (
                "google-ai-studio/gemini-x", #"{"error":{"code":429,"message":"no","status":"RESOURCE_EXHAUSTED"}}"#,
                nil, 429
            ),
            (
                "google-ai-studio/gemini-x", #"{"error":{"code":503,"message":"no","status":"UNAVAILABLE"}}"#, nil, 503
            ),
            ("aws-bedrock/amazon.nova-x", #"{"message":"no"}"#, "exception:throttlingException", 429),
            ("aws-bedrock/amazon.nova-x", #"{"message":"no"}"#, "exception:validationException", 400),
            (
                "cohere/command-x",
                #"{"type":"message-end","delta":{"finish_reason":"ERROR","error":"no","usage":null}}"#, "message-end",
                502
            ),
            (
                "openrouter/m",
                #"{"error":{"code":429,"message":"no"},"choices":[{"delta":{},"finish_reason":"error"}]}"#, nil, 429
            ),
            (
                "openrouter/m",
                #"{"error":{"code":402,"message":"no"},"choices":[{"delta":{},"finish_reason":"error"}]}"#, nil, 402
            ),
        ] as [(String, String, String?, Int)])
    func errorEvent(model: String, data: String, name: String?, status: Int) throws {
        let chat = try TrapChat(model)
        let (told, state) = try chat.streamed([name.map { Self.event($0, data) } ?? Self.plain(data)])
        guard case .failed(let failure) = state else {
            Issue.record("\(model): \(told)")
            return
        }
        #expect(failure.status == status && told.isEmpty, "\(model)")
    }
}
