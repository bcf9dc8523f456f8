import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

@Suite("Reasoning that has to come back")
struct ReasoningEchoTests {
    private let echo = ReasoningEcho()
    private let history = #"""
        {"model":"deepseek-reasoner","messages":[{"role":"user","content":"a"},
        {"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function"},{"id":"c2"}]},
        {"role":"tool","tool_call_id":"c1","content":"x"},
        {"role":"assistant","reasoning_content":"kept","tool_calls":[{"id":"c3"}]},
        {"role":"assistant","content":"plain"},
        {"reasoning_content":null,"role":"assistant","tool_calls":[{"id":"c4"}]}],"tools":[]}
        """#

    private func missing(_ body: String) -> [String] {
        var body = body
        return body.withUTF8 { echo.callsWithoutReasoning(UnsafeRawBufferPointer($0)) }
    }

    private func completed(_ body: String, _ known: [String: String]) -> String {
        String(buffer: echo.completed(ByteBuffer(string: body), with: known))
    }

    @Test("what is missing is named by the first call of each turn that lacks it")
    func names() {
        #expect(missing(history) == ["c1", "c4"])
        #expect(missing(#"{"messages":[{"role":"user","content":"a"}]}"#) == [])
        #expect(missing(#"{"messages":"no"}"#) == [])
        #expect(
            missing(#"{"messages":[{"role":"assistant","tool_calls":[]},{"role":"assistant","tool_calls":[7]}]}"#) == []
        )
    }

    @Test("known reasoning is put back where it was, and nothing else changes")
    func insertion() {
        let result = completed(history, ["c1": "I \"think\"\n", "c4": "so", "c9": "other"])
        let expected =
            history
            .replacing(
                #"{"role":"assistant","content":null"#,
                with: #"{"reasoning_content":"I \"think\"\n","role":"assistant","content":null"#
            ).replacing(#"{"reasoning_content":null"#, with: #"{"reasoning_content":"so""#)
        #expect(result == expected)
        #expect(missing(result) == [])
    }

    @Test("where a turn is not known, thinking is switched off instead")
    func unknown() {
        let result = completed(history, ["c1": "known"])
        #expect(result == #"{"thinking":{"type":"disabled"},"# + history.dropFirst())
        #expect(missing(result) == [])
        let eager = history.replacing(
            #""tools":[]"#, with: #""thinking":{"type":"enabled"},"reasoning_effort":"high""#)
        #expect(
            completed(eager, [:])
                == history.replacing(
                    #""tools":[]"#, with: #""thinking":{"type":"disabled"},"reasoning_effort":null"#))
    }

    @Test(
        "a client that wants no thinking gets what it sent",
        arguments: [#""thinking":{"type":"disabled"}"#, #""reasoning_effort":"none""#])
    func off(member: String) {
        let body = history.replacing(#""tools":[]"#, with: member)
        #expect(missing(body) == [])
        #expect(completed(body, ["c1": "known", "c4": "known"]) == body)
    }

    @Test("DeepSeek is a provider that wants it; others are not")
    func providers() {
        for provider in ProviderRegistry.builtIn.all {
            #expect((provider.compat.surface?.reasoningEcho != nil) == (provider.id == "deepseek"), "\(provider.id)")
        }
    }
}

@Suite("Reasoning read out of answers")
struct EchoReaderTests {
    private func notes(_ kind: StreamKind, _ pieces: [[UInt8]]) -> [ReasoningNote] {
        var reader = EchoReader(kind)
        for piece in pieces { piece.withUnsafeBytes { reader.feed($0) } }
        return reader.notes().sorted { $0.callID < $1.callID }
    }

    @Test("a whole answer with calls gives its reasoning under the first call's id")
    func whole() {
        let answer = #"""


            {"choices":[{"index":0,"message":{"role":"assistant","content":"","reasoning_content":"Hm.",
            "tool_calls":[{"id":"call_1"},{"id":"call_2"}]}},{"index":1,"message":{"reasoning_content":"no calls"}}]}
            """#
        let expected = [ReasoningNote(callID: "call_1", content: "Hm.")]
        #expect(notes(.whole, [Array(answer.utf8)]) == expected)
        let bytes = Array(answer.utf8)
        for cut in bytes.indices { #expect(notes(.whole, [Array(bytes[..<cut]), Array(bytes[cut...])]) == expected) }
        #expect(notes(.whole, [Array(bytes.dropLast(3))]) == [])
        #expect(notes(.other, [bytes]) == [])
    }

    @Test("a stream gives the same, wherever it is cut")
    func stream() {
        let events = [
            #"{"choices":[{"index":0,"delta":{"role":"assistant","reasoning_content":""}}]}"#,
            #"{"choices":[{"index":0,"delta":{"reasoning_content":"Let "}}]}"#,
            #"{"choices":[{"index":0,"delta":{"reasoning_content":"me s\u00e9e."}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","function":{"arguments":""}}]}}]}"#,
            #"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_2","function":{"arguments":""}}]}}]}"#,
            #"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#, "[DONE]",
        ]
        let bytes = Array((": keep-alive\n\n" + events.map { "data: \($0)\n\n" }.joined()).utf8)
        let expected = [ReasoningNote(callID: "call_1", content: "Let me sée.")]
        for cut in bytes.indices {
            #expect(notes(.sse, [Array(bytes[..<cut]), Array(bytes[cut...])]) == expected)
        }
    }

    @Test("more reasoning than is kept is none")
    func bounds() {
        let long = String(repeating: "x", count: ReasoningBounds.note / 2 + 1)
        let event = #"data: {"choices":[{"delta":{"reasoning_content":"\#(long)"}}]}"# + "\n\n"
        let call = #"data: {"choices":[{"delta":{"tool_calls":[{"id":"c"}]}}]}"# + "\n\n"
        #expect(notes(.sse, [Array((event + call).utf8)]).map(\.callID) == ["c"])
        #expect(notes(.sse, [Array((event + event + call).utf8)]) == [])
        let many = (0..<100).map {
            #"{"index":\#($0),"message":{"reasoning_content":"r","tool_calls":[{"id":"c\#($0)"}]}}"#
        }
        #expect(notes(.whole, [Array(#"{"choices":[\#(many.joined(separator: ","))]}"#.utf8)]).count == 16)
    }
}
