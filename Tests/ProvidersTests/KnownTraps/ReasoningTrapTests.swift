import Foundation
import GatewayCore
import NIOCore
import Providers
import Testing

/// The known traps of reasoning (providers.md §17.4) that show in a translation alone.
///
/// `Tests/Traps.md` lists all of them with the tests that hold them.
@Suite struct ReasoningTrapTests {
    private static let gemini = "google-ai-studio/gemini-3-flash"
    private static let hi = #""messages":[{"role":"user","content":"q"}]"#

    private static func history(_ first: String) -> String {
        #""messages":[{"role":"user","content":"q"},{"role":"assistant","content":"I look.","tool_calls":["#
            + #"{\#(first),"type":"function","function":{"name":"f","arguments":"{}"}},"#
            + #"{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]},"#
            + #"{"role":"tool","tool_call_id":"\#(id(first))","content":"r"},{"role":"tool","tool_call_id":"b","content":"s"}]"#
    }
    private static func id(_ member: String) -> String {
        String(member.split(separator: "\"", maxSplits: 3)[2].prefix { $0 != "\"" })
    }
    private func signatures(_ body: NSDictionary) -> [String] {
        body.list("contents").flatMap { $0.list("parts") }.compactMap { $0.text("thoughtSignature") }
    }

    @Test("trap: a signature goes back with the part that it came with, and with no other")
    func once() throws {
        let chat = try TrapChat(Self.gemini)
        let kept = #""id":"a","extra_content":{"google":{"thought_signature":"U0lHTkFUVVJF"}}"#
        let body = try chat.sent(Self.history(kept))
        #expect(signatures(body) == ["U0lHTkFUVVJF"])
        #expect(
            body.list("contents.1.parts").first { $0["functionCall"] != nil }?.text("thoughtSignature")
                == "U0lHTkFUVVJF")
        // One that the client lost comes from memory, just so.
        var supplements = ChatSupplements()
        supplements.reasoning["a"] = "UkVNRU1CRVJFRA=="
        #expect(signatures(try chat.sent(Self.history(#""id":"a""#), with: supplements)) == ["UkVNRU1CRVJFRA=="])
    }

    @Test("trap: the value that bypasses the check is for a history of another model, once a turn")
    func lastResort() throws {
        let chat = try TrapChat(Self.gemini)
        let bypass = Data("skip_thought_signature_validator".utf8).base64EncodedString()
        #expect(signatures(try chat.sent(Self.history(#""id":"a""#))) == [bypass])
        // Models before that demand none get none.
        #expect(signatures(try TrapChat("google-ai-studio/gemini-2.5-flash").sent(Self.history(#""id":"a""#))).isEmpty)
    }

    @Test("trap: no id carries a signature out, and one that another gateway put there is taken off again")
    func packedIDs() throws {
        let chat = try TrapChat(Self.gemini)
        let signature = Data(repeating: 7, count: 60).base64EncodedString()
        let answer = try chat.answered(
            #"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{}},"thoughtSignature":"\#(signature)"}]},"#
                + #""finishReason":"STOP"}]}"#)
        let call = try #require(answer.list("choices.0.message.tool_calls").first)
        #expect(call.text("extra_content.google.thought_signature") == signature)
        #expect(call.text("id")?.range(of: "^[A-Za-z0-9_]{1,40}$", options: .regularExpression) != nil)
        for packed in ["a__thought__\(signature)", "a_ts_\(signature)"] {
            #expect(signatures(try chat.sent(Self.history(#""id":"\#(packed)""#))) == [signature])
            for model in ["anthropic/claude-x", "aws-bedrock/amazon.nova-x", "cohere/command-x"] {
                #expect(
                    !(try TrapChat(model).sent(Self.history(#""id":"\#(packed)""#)).json.contains(signature)),
                    "\(model)")
            }
        }
    }

    @Test(
        "trap: a model that thinks as it likes is asked to show a summary of it",
        arguments: [
            "anthropic/claude-x", "aws-bedrock/anthropic.claude-x",
        ])
    func summarized(model: String) throws {
        let body = try TrapChat(model, "reasoning adaptive").sent(Self.hi + #","reasoning_effort":"high""#)
        let thinking = body.at("thinking") ?? body.at("additionalModelRequestFields.thinking")
        #expect(thinking as? NSDictionary == ["type": "adaptive", "display": "summarized"])
    }

    @Test(
        "trap: while a model thinks, no call is forced and no temperature is set",
        arguments: [
            "anthropic/claude-x", "aws-bedrock/anthropic.claude-x",
        ])
    func forcedWhileThinking(model: String) throws {
        let asked =
            Self.hi
            + #","reasoning_effort":"high","temperature":0.2,"top_k":5,"tool_choice":"required","tools":[{"type":"function","#
            + #""function":{"name":"f","parameters":{"type":"object","properties":{}}}}]"#
        for caps in ["reasoning adaptive", "reasoning"] {
            let body = try TrapChat(model, caps).sent(asked)
            #expect(body.json.contains(#""thinking":{"#), "\(caps)")
            #expect(!body.json.contains("temperature") && !body.json.contains("top_k"), "\(caps)")
            #expect(!body.json.contains(#""type":"any""#) && !body.json.contains(#""any":{"#), "\(caps)")
        }
        // And while it does not, both are.
        let plain = try TrapChat(model, "").sent(asked).json
        #expect(plain.contains("temperature") && plain.contains(#""any""#))
    }

    @Test(
        "trap: a budget of thinking is below the limit of the answer, and no smaller than the least",
        arguments: [
            // The client's limit, the model's, the effort; budget and limit that are sent.
            (nil, nil, "low", 1024, 4096), (nil, nil, "high", 4096, 8192), (nil, nil, "max", 16_384, 20_480),
            (nil, 8192, "max", 8191, 8192), (nil, 64_000, "max", 16_384, 64_000), (2000, nil, "high", 1999, 2000),
            (1025, nil, "low", 1024, 1025), (1024, nil, "low", nil, 1024), (1, nil, "max", nil, 1),
        ] as [(Int?, Int?, String, Int?, Int)])
    func budget(asked: Int?, most: Int?, effort: String, budget: Int?, limit: Int) throws {
        let more = asked.map { #","max_completion_tokens":\#($0)"# } ?? ""
        let body = try TrapChat("anthropic/claude-x", "reasoning budget", maxOutput: most).sent(
            Self.hi + #","reasoning_effort":"\#(effort)""# + more)
        #expect(body.at("thinking.budget_tokens") as? Int == budget)
        #expect(body.at("max_tokens") as? Int == limit)
    }

    @Test("trap: a budget that the client wrote itself has room where the limit is ours")
    func ownBudget() throws {
        let chat = try TrapChat("anthropic/claude-x", "reasoning")
        let own = Self.hi + #","thinking":{"type":"enabled","budget_tokens":6000}"#
        #expect(try chat.sent(own).at("max_tokens") as? Int == 10_096)
        #expect(try chat.sent(own + #","max_tokens":6500"#).at("max_tokens") as? Int == 6500)
    }
}
