import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// Claude's thinking over several turns, through Anthropic and Bedrock (providers.md §7.2, §7.4, §9.1).
@Suite("Blocks of thinking")
struct ThinkingTests {
    private static let anthropic = AnthropicChat(provider: "anthropic")
    private static let bedrock = BedrockChat(provider: "aws-bedrock")
    private static let note =
        #"[{"type":"thinking","thinking":"h\"m","signature":"s"},{"type":"redacted_thinking","data":"QQ=="}]"#
    private static let adaptive: Set<String> = ["tools", "reasoning", "adaptive"]
    private static let budget: Set<String> = ["tools", "reasoning"]

    private static func history(_ assistant: String = "", rest: String = #","reasoning_effort":"high""#) -> String {
        #"{"messages":[{"role":"user","content":"q"},{"role":"assistant","content":null\#(assistant),"tool_calls":["#
            + #"{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"}},"#
            + #"{"id":"call_2","type":"function","function":{"name":"f","arguments":"{}"}}]},"#
            + #"{"role":"tool","tool_call_id":"call_1","content":"1"},"#
            + #"{"role":"tool","tool_call_id":"call_2","content":"2"}]\#(rest)}"#
    }

    private func missing(_ chat: any ChatTranslator, _ body: String, _ model: ChatModel) -> [String] {
        Array(body.utf8).withUnsafeBytes { chat.callsWithoutReasoning($0, for: model) }
    }

    private func request(
        _ chat: any ChatTranslator, _ body: String, _ model: ChatModel, knowing notes: [String: String] = [:]
    ) throws -> String {
        var supplements = ChatSupplements()
        supplements.reasoning = notes
        return try Array(body.utf8).withUnsafeBytes {
            String(buffer: try chat.request($0, for: model, with: supplements).body)
        }
    }

    private func claude(_ capabilities: Set<String>) -> ChatModel {
        ChatModel(name: "anthropic.claude-x", maxOutput: 32_000, capabilities: capabilities)
    }

    @Test("are asked for where a model is going to think and a turn with calls has none")
    func asked() {
        for chat in [Self.anthropic, Self.bedrock] as [any ChatTranslator] {
            #expect(chat.reasoning == .blocks)
            let model = claude(Self.adaptive)
            #expect(missing(chat, Self.history(), model) == ["call_1"])
            #expect(missing(chat, Self.history(#","thinking_blocks":\#(Self.note)"#), model).isEmpty)
            // What proves nothing is none.
            let unproved = #","thinking_blocks":[{"type":"thinking","thinking":"hm"}]"#
            #expect(missing(chat, Self.history(unproved), model) == ["call_1"])
            #expect(missing(chat, Self.history(rest: ""), model).isEmpty)
            #expect(missing(chat, Self.history(rest: #","reasoning_effort":"none""#), model).isEmpty)
            #expect(missing(chat, Self.history(rest: #","thinking":{"type":"disabled"}"#), model).isEmpty)
            #expect(missing(chat, Self.history(rest: #","thinking":{"type":"adaptive"}"#), model) == ["call_1"])
            #expect(
                missing(chat, Self.history(rest: ""), claude(["reasoning", "adaptive", "think_always"])) == ["call_1"])
        }
        #expect(missing(Self.bedrock, Self.history(), ChatModel(name: "amazon.nova-2-lite-v1:0")).isEmpty)
    }

    @Test("come back first in their turn, in the provider's own form")
    func restored() throws {
        let known = ["call_1": Self.note, "call_2": "[]"]
        #expect(
            try request(Self.anthropic, Self.history(), claude(Self.adaptive), knowing: known).contains(
                #"{"role":"assistant","content":[{"type":"thinking","thinking":"h\"m","signature":"s"},"#
                    + #"{"type":"redacted_thinking","data":"QQ=="},{"type":"tool_use","id":"call_1""#))
        #expect(
            try request(Self.bedrock, Self.history(), claude(Self.adaptive), knowing: known).contains(
                #"{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"h\"m","signature":"s"}}},"#
                    + #"{"reasoningContent":{"redactedContent":"QQ=="}},{"toolUse":{"toolUseId":"call_1""#))
    }

    @Test("of a client's own are taken in either form, whatever is remembered, and without its own marks")
    func givenBack() throws {
        let given =
            #","thinking_blocks":[{"index":0,"type":"thinking","thinking":"a","signature":"x"},"#
            + #"{"reasoningContent":{"reasoningText":{"text":"b","signature":"y"}}}]"#
        for (chat, expected) in [
            (
                Self.anthropic,
                #"[{"type":"thinking","thinking":"a","signature":"x"},{"type":"thinking","thinking":"b","signature":"y"},"#
            ),
            (
                Self.bedrock,
                #"[{"reasoningContent":{"reasoningText":{"text":"a","signature":"x"}}},"#
                    + #"{"reasoningContent":{"reasoningText":{"text":"b","signature":"y"}}},"#
            ),
        ] as [(any ChatTranslator, String)] {
            let sent = try request(
                chat, Self.history(given), claude(Self.adaptive), knowing: ["call_1": Self.note])
            #expect(sent.contains(#"{"role":"assistant","content":"# + expected))
        }
    }

    @Test("that are known let a model with a budget think; without them it does not")
    func budget() throws {
        let model = claude(Self.budget)
        let thinking = #""thinking":{"type":"enabled","budget_tokens":4096}"#
        for chat in [Self.anthropic, Self.bedrock] as [any ChatTranslator] {
            #expect(try !request(chat, Self.history(), model).contains(#""thinking":"#))
            #expect(try request(chat, Self.history(), model, knowing: ["call_1": Self.note]).contains(thinking))
            // The client's own budget is refused as well.
            let own = Self.history(rest: #","thinking":{"type":"enabled","budget_tokens":4096}"#)
            #expect(try !request(chat, own, model).contains(#""thinking":"#))
            #expect(try request(chat, own, model, knowing: ["call_1": Self.note]).contains(thinking))
        }
    }

    @Test(
        "are noted under the first call that they led to",
        arguments: [
            (
                #"{"type":"tool_use","id":"t1","name":"f","input":{}},{"type":"tool_use","id":"t2","name":"f","input":{}}"#,
                "t1"
            ),
            (#"{"type":"text","text":"a"}"#, nil),
        ])
    func noted(rest: String, call: String?) throws {
        let whole =
            #"{"type":"message","content":[{"type":"thinking","thinking":"h\"m","signature":"s"},"#
            + #"{"type":"redacted_thinking","data":"QQ=="},\#(rest)],"stop_reason":"end_turn"}"#
        var notes: [ReasoningNote] = []
        _ = try Array(whole.utf8).withUnsafeBytes { try Self.anthropic.answer($0, ChatTerms(), noting: &notes) }
        #expect(notes == (call.map { [ReasoningNote(callID: $0, content: Self.note)] } ?? []))
    }

    @Test("of a stream are noted as they were written, but not of more than a megabyte")
    func streamed() {
        func trail(_ pieces: [String], count: Int = 1) -> ThinkingTrail {
            var trail = ThinkingTrail()
            for piece in Array(repeating: pieces, count: count).joined() {
                piece.withBytes { trail.add(text: JSONView($0), at: 3) }
            }
            #""s\u0041""#.withBytes { trail.add(signature: JSONView($0), at: 3) }
            trail.add(call: "call_1")
            trail.add(call: "call_2")
            return trail
        }
        var sound = trail([#""h\"""#, #""""#, #""m\ud83d""#, #""\ude00""#])
        let block = #""type":"thinking","thinking":"h\"m\ud83d\ude00","signature":"s\u0041""#
        #expect(sound.notes.isEmpty)
        #expect(sound.close(3) == #"[{"index":0,\#(block)}]"# && sound.close(3) == nil)
        #expect(sound.notes == [ReasoningNote(callID: "call_1", content: "[{\(block)}]")])
        var long = trail([#""\#(String(repeating: "x", count: 1 << 16))""#], count: 17)
        #expect(long.close(3) == nil && long.notes.isEmpty)
    }
}
