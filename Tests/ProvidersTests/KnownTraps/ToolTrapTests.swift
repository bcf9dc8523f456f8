import Foundation
import GatewayCore
import NIOCore
import Testing

@testable import Providers

/// The known traps of tools (providers.md §17.3) that show in a translation alone.
///
/// `Tests/Traps.md` lists all of them with the tests that hold them.
@Suite struct ToolTrapTests {
    private static let translated = [
        "anthropic/claude-x", "google-ai-studio/gemini-3-flash", "aws-bedrock/amazon.nova-x",
        "aws-bedrock/anthropic.claude-x", "cohere/command-x",
    ]
    private static let tools =
        #""tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}]"#

    private static func turns(_ messages: String...) -> String {
        #""messages":[{"role":"user","content":"q"},\#(messages.joined(separator: ","))]"#
    }
    private static func calls(_ ids: String..., text: String = "null") -> String {
        let list = ids.map {
            #"{"id":"\#($0)","type":"function","function":{"name":"f","arguments":"{\"n\":\"\#($0)\"}"}}"#
        }
        return #"{"role":"assistant","content":\#(text),"tool_calls":[\#(list.joined(separator: ","))]}"#
    }
    private static func result(_ id: String, _ text: String) -> String {
        #"{"role":"tool","tool_call_id":"\#(id)","content":"\#(text)"}"#
    }
    private static let answer = #"{"role":"assistant","content":"done"},{"role":"user","content":"more"}"#

    /// The turns of a provider's request.
    private func turns(_ body: NSDictionary) -> [NSDictionary] {
        body.list("messages") + body.list("contents")
    }

    @Test("trap: Bedrock gets its definitions where the history has calls, and never an empty list of them")
    func toolConfig() throws {
        let chat = try TrapChat("aws-bedrock/anthropic.claude-x")
        let history = Self.turns(Self.calls("a"), Self.result("a", "r"), Self.answer)
        #expect(try chat.sent(history).text("toolConfig.tools.0.toolSpec.name") == "f")
        #expect(try chat.sent(history + #","tools":[]"#).list("toolConfig.tools").count == 1)
        #expect(try chat.sent(#""messages":[{"role":"user","content":"q"}],"tools":[]"#)["toolConfig"] == nil)
        #expect(
            try chat.sent(#""messages":[{"role":"user","content":"q"}],\#(Self.tools),"tool_choice":"none""#)[
                "toolConfig"] == nil)
    }

    @Test(
        "trap: an empty result of a tool has something in it",
        arguments: ["aws-bedrock/anthropic.claude-x", "aws-bedrock/amazon.nova-x"])
    func emptyResult(model: String) throws {
        let body = try TrapChat(model).sent(Self.turns(Self.calls("a"), Self.result("a", ""), Self.answer))
        #expect(turns(body)[2].text("content.0.toolResult.content.0.text") == "(empty)")
    }

    @Test("trap: text behind a call is put before it, also where two turns of the model become one")
    func textBehindCall() throws {
        for model in ["aws-bedrock/anthropic.claude-x", "anthropic/claude-x"] {
            let body = try TrapChat(model).sent(
                Self.turns(
                    #"{"role":"assistant","content":"one"},{"role":"assistant","content":"two","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":""}}]}"#,
                    Self.result("a", "r"), Self.answer))
            let blocks = turns(body)[1].list("content")
            let kinds = blocks.map { $0["toolUse"] != nil || $0.text("type") == "tool_use" }
            #expect(kinds == kinds.sorted { !$0 && $1 } && kinds.last == true && kinds.count == 3, "\(model)")
        }
    }

    @Test(
        "trap: ids that come again in a later turn belong to the nearest calls before their results",
        arguments: translated)
    func reusedIDs(model: String) throws {
        let body = try TrapChat(model).sent(
            Self.turns(
                Self.calls("a", "b"), Self.result("b", "first b"), Self.result("a", "first a"), Self.answer,
                Self.calls("a"), Self.result("a", "second a"), Self.answer))
        let json = turns(body).map(\.json)
        let holders = ["first a", "first b", "second a"].map { text in json.firstIndex { $0.contains(text) } }
        #expect(holders[0] != nil && holders.allSatisfy { $0 != nil })
        let second = try #require(holders[2])
        #expect(json[..<second].contains { $0.contains("first b") } && !json[second].contains("first"))
    }

    @Test(
        "trap: results of parallel calls are one turn, in the order of the calls",
        arguments: [
            "anthropic/claude-x", "google-ai-studio/gemini-3-flash", "aws-bedrock/anthropic.claude-x",
        ])
    func oneTurn(model: String) throws {
        let body = try TrapChat(model).sent(
            Self.turns(
                Self.calls("a", "b", "c"), Self.result("c", "three"), Self.result("a", "one"), Self.result("b", "two"),
                #"{"role":"user","content":"and?"}"#))
        let turns = turns(body)
        // Gemini counts the results of a turn, so that what follows has one of its own.
        #expect(turns.count == (model.hasPrefix("google") ? 4 : 3))
        let json = turns[2].json
        let places = ["one", "two", "three"].map { json.range(of: $0)?.lowerBound }
        #expect(places.allSatisfy { $0 != nil } && places.compactMap { $0 } == places.compactMap { $0 }.sorted())
        #expect(turns.last?.json.contains("and?") == true)
    }

    @Test("trap: a call without a result, or a result without a call, is refused with its id", arguments: translated)
    func unmatched(model: String) throws {
        let chat = try TrapChat(model)
        let missing = try chat.refusal(Self.turns(Self.calls("a", "b"), Self.result("a", "r"), Self.answer))
        #expect(missing?.contains("'b'") == true && missing?.contains("'a'") == false)
        let orphan = try chat.refusal(Self.turns(Self.result("z", "r")))
        #expect(orphan?.contains("'z'") == true)
        // Right behind the calls, or not at all.
        #expect(try chat.refusal(Self.turns(Self.calls("a"), Self.answer, Self.result("a", "r"))) != nil)
    }

    @Test(
        "trap: names that a provider refuses are changed, kept apart, and told to the client as it wrote them",
        arguments: [
            "anthropic/claude-x", "google-ai-studio/gemini-3-flash", "aws-bedrock/amazon.nova-x",
        ])
    func names(model: String) throws {
        let (provider, bare) = try #require(ProviderRegistry.builtIn.compatTarget(model: model))
        let translator = try #require(provider.compat.translator(for: bare))
        let wanted = [
            "a b", "a/b", "a_b", "a\u{e9}b", String(repeating: "x", count: 200), String(repeating: "x", count: 201),
        ]
        func translate(_ names: [String]) throws -> TranslatedChat {
            let tools = names.map { #"{"type":"function","function":{"name":"\#($0)"}}"# }.joined(separator: ",")
            let body = #"{"model":"x/m","messages":[{"role":"user","content":"q"}],"tools":[\#(tools)]}"#
            return try Array(body.utf8).withUnsafeBytes { try translator.request($0, for: ChatModel(name: bare)) }
        }
        let chat = try translate(wanted)
        let text = String(buffer: chat.body)
        let renamed = Set(wanted).subtracting(["a_b"])
        #expect(renamed.isSubset(of: Set(chat.terms.toolNames.values)))
        // Every name is one of its own, and leads back.
        #expect(Set(chat.terms.toolNames.keys).count == chat.terms.toolNames.count)
        for (form, name) in chat.terms.toolNames {
            #expect(text.contains("\"\(form)\"") && chat.terms.clientName(form) == name)
            #expect(form.utf8.count <= 128 && form.utf8.allSatisfy { $0 < 0x80 && $0 > 0x20 && $0 != 0x2F })
        }
        // Nothing of one request is left for the next.
        #expect(try translate(["a_b"]).terms.toolNames.isEmpty)
    }

    @Test(
        "trap: JSON without a schema is asked for in words, never by a tool without parameters",
        arguments: [
            "anthropic/claude-x", "aws-bedrock/anthropic.claude-x", "aws-bedrock/amazon.nova-x",
        ])
    func jsonMode(model: String) throws {
        let body = try TrapChat(model).sent(
            #""messages":[{"role":"user","content":"q"}],"response_format":{"type":"json_object"}"#)
        #expect(body["tools"] == nil && body["toolConfig"] == nil && body["tool_choice"] == nil)
        #expect(body.text("system.0.text")?.contains("JSON object") == true)
    }

    @Test(
        "trap: empty texts are dropped, and a turn of nothing else says so",
        arguments: [
            "anthropic/claude-x", "aws-bedrock/amazon.nova-x",
        ])
    func emptyTexts(model: String) throws {
        let empty = #"{"type":"text","text":""}"#
        let body = try TrapChat(model).sent(
            #""messages":[{"role":"system","content":[\#(empty)]},{"role":"user","content":[\#(empty),{"type":"text","text":"a"},"#
                + #"\#(empty)]},{"role":"assistant","content":"b"},{"role":"user","content":[\#(empty),\#(empty)]}]"#)
        #expect(body["system"] == nil)
        #expect(turns(body).map { $0.list("content").compactMap { $0.text("text") } } == [["a"], ["b"], ["(empty)"]])
    }
}
