import GatewayCore
import NIOCore
import Testing

@testable import Providers

@Suite("Chat requests for Anthropic")
struct AnthropicChatRequestTests {
    private static let chat = AnthropicChat(provider: "anthropic")
    private static let hi = #""messages":[{"role":"user","content":"hi"}]"#
    private static let hiTurn = #""messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]"#

    private func translate(
        _ members: String, max: Int? = nil, caps: String? = nil
    ) throws -> TranslatedChat {
        let model = ChatModel(
            name: "m", maxOutput: max, capabilities: caps.map { Set($0.split(separator: " ").map(String.init)) }
        )
        return try Array(#"{"model":"anthropic/m",\#(members)}"#.utf8).withUnsafeBytes {
            try Self.chat.request($0, for: model)
        }
    }

    /// The body without its first members, which are always the same.
    private func rest(_ members: String, max: Int? = nil, caps: String? = nil) throws -> String {
        let body = String(buffer: try translate(members, max: max, caps: caps).body)
        let start = #"{"model":"m","max_tokens":4096,"#
        return body.hasPrefix(start) ? String(body.dropFirst(start.count).dropLast()) : body
    }

    private func refusal(_ members: String) -> String {
        do {
            return "accepted: \(String(buffer: try translate(members).body))"
        } catch {
            guard let error = error as? GatewayError, error.kind == .badChatCompletion else { return "\(error)" }
            return error.message ?? "no message"
        }
    }

    @Test("puts system and developer messages apart and merges neighbours")
    func turns() throws {
        let messages = """
            "messages":[{"role":"system","content":"one"},{"role":"developer","content":[{"type":"text","text":"two"},\
            {"type":"text","text":""}]},{"role":"user","content":"a"},{"role":"user","content":[{"type":"text",\
            "text":"b","cache_control":{"type":"ephemeral"}}]},{"role":"system","content":"three"},\
            {"role":"assistant","content":"c \\n"}]
            """
        let system = #""system":[{"type":"text","text":"one"},{"type":"text","text":"two"}"#
        let users =
            #"{"role":"user","content":[{"type":"text","text":"a"},"#
            + #"{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]}"#
        let assistant = #"{"role":"assistant","content":[{"type":"text","text":"c"}]}"#
        let third = #"{"type":"text","text":"three"}"#
        #expect(try rest(messages) == "\(system),\(third)],\"messages\":[\(users),\(assistant)]")
        #expect(
            try rest(messages, caps: "mid_system")
                == "\(system)],\"messages\":[\(users),{\"role\":\"system\",\"content\":[\(third)]},\(assistant)]"
        )
    }

    @Test("begins with a user and leaves no message without content")
    func placeholders() throws {
        let empty = #"{"role":"user","content":[{"type":"text","text":"(empty)"}]}"#
        #expect(
            try rest(#""messages":[{"role":"assistant","content":"a"},{"role":"user","content":""}]"#)
                == #""messages":[\#(empty),{"role":"assistant","content":[{"type":"text","text":"a"}]},\#(empty)]"#
        )
        #expect(
            try rest(#""messages":[{"role":"system","content":"s"}]"#)
                == #""system":[{"type":"text","text":"s"}],"messages":[\#(empty)]"#
        )
    }

    @Test(
        "carries images and files",
        arguments: [
            (
                #"{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"low"}}"#,
                #"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"QUJD"}}"#
            ),
            (
                #"{"type":"image_url","image_url":{"url":"https://x.test/a.png?b=1&c"}}"#,
                #"{"type":"image","source":{"type":"url","url":"https://x.test/a.png?b=1&c"}}"#
            ),
            (
                #"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}"#,
                #"{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"QUJD"},"#
                    + #""title":"a.pdf"}"#
            ),
            (
                #"{"type":"file","file":{"file_data":"data:text/plain;charset=utf-8;base64,Y2Fmw6k="}}"#,
                #"{"type":"document","source":{"type":"text","media_type":"text/plain","data":"café"}}"#
            ),
            (
                #"{"type":"file","file":{"file_id":"f1"}}"#,
                #"{"type":"document","source":{"type":"file","file_id":"f1"}}"#
            ),
            (
                #"{"type":"file","file":{"file_id":"f1","filename":"a.PNG"}}"#,
                #"{"type":"image","source":{"type":"file","file_id":"f1"}}"#
            ),
        ])
    func media(part: String, block: String) throws {
        #expect(
            try rest(#""messages":[{"role":"user","content":[{"type":"text","text":"look"},\#(part)]}]"#)
                == #""messages":[{"role":"user","content":[{"type":"text","text":"look"},\#(block)]}]"#
        )
    }

    @Test("carries parallel calls and their results, in the order of the calls")
    func parallelCalls() throws {
        let body = try rest(
            """
            "messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"","tool_calls":[\
            {"id":"a:1","type":"function","function":{"name":"w.x","arguments":"{\\"n\\": 1.50}"}},\
            {"id":"b","type":"function","function":{"name":"t","arguments":""}},\
            {"id":"c","type":"function","function":{"name":"t","arguments":"not json"}}]},\
            {"role":"tool","tool_call_id":"b","content":""},\
            {"role":"tool","tool_call_id":"a:1","content":"sun"},\
            {"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"x"}]},\
            {"role":"user","content":"so?"}],"tools":[{"type":"function","function":{"name":"w.x","description":"d",\
            "parameters":{"type":"object","properties":{"n":{"type":"number"}}}}},\
            {"type":"function","function":{"name":"t"}}],"tool_choice":{"type":"function","function":{"name":"w.x"}},\
            "parallel_tool_calls":false
            """
        )
        #expect(
            body == """
                "messages":[{"role":"user","content":[{"type":"text","text":"hi"}]},{"role":"assistant","content":[\
                {"type":"tool_use","id":"a_1","name":"w_x","input":{"n": 1.50}},\
                {"type":"tool_use","id":"b","name":"t","input":{}},\
                {"type":"tool_use","id":"c","name":"t","input":{"_raw":"not json"}}]},\
                {"role":"user","content":[{"type":"tool_result","tool_use_id":"a_1","content":"sun"},\
                {"type":"tool_result","tool_use_id":"b"},\
                {"type":"tool_result","tool_use_id":"c","content":"x"},{"type":"text","text":"so?"}]}],\
                "tools":[{"name":"w_x","description":"d","input_schema":{"type":"object",\
                "properties":{"n":{"type":"number"}}}},{"name":"t","input_schema":{"type":"object","properties":{}}}],\
                "tool_choice":{"type":"tool","name":"w_x","disable_parallel_tool_use":true}
                """
        )
    }

    @Test("matches results with the nearest turn that called, when ids come again")
    func repeatedIDs() throws {
        let call = #"{"role":"assistant","tool_calls":[{"id":"x","function":{"name":"t","arguments":"{}"}}]}"#
        func result(_ text: String) -> String { #"{"role":"tool","tool_call_id":"x","content":"\#(text)"}"# }
        let body = try rest(
            #""messages":[{"role":"user","content":"hi"},\#(call),\#(result("1")),\#(call),\#(result("2"))]"#
        )
        let use = #"{"role":"assistant","content":[{"type":"tool_use","id":"x","name":"t","input":{}}]}"#
        func answer(_ text: String) -> String {
            #"{"role":"user","content":[{"type":"tool_result","tool_use_id":"x","content":"\#(text)"}]}"#
        }
        // A history with calls comes with definitions of what was called.
        #expect(
            body == Self.hiTurn.dropLast() + ",\(use),\(answer("1")),\(use),\(answer("2"))],"
                + #""tools":[{"name":"t","input_schema":{"type":"object"}}]"#
        )
    }

    @Test("carries functions of the deprecated form")
    func legacyFunctions() throws {
        let chat = try translate(
            """
            "messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"function_call":\
            {"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"r"}],\
            "functions":[{"name":"f","parameters":{"type":"object"}}],"function_call":{"name":"f"}
            """
        )
        let body = String(buffer: chat.body)
        #expect(chat.terms.callStyle == .function)
        #expect(body.contains(#"{"type":"tool_use","id":"call_function_1","name":"f","input":{}}"#))
        #expect(body.contains(#"{"type":"tool_result","tool_use_id":"call_function_1","content":"r"}"#))
        #expect(body.contains(#""tool_choice":{"type":"tool","name":"f","disable_parallel_tool_use":true}"#))
    }

    private static let tool = #""tools":[{"type":"function","function":{"name":"t"}}]"#
    private static let toolOut = #","tools":[{"name":"t","input_schema":{"type":"object","properties":{}}}]"#

    @Test(
        "translates the choice of a tool",
        arguments: [
            (#""tool_choice":"auto""#, #","tool_choice":{"type":"auto"}"#),
            (#""tool_choice":"none""#, #","tool_choice":{"type":"none"}"#),
            (#""tool_choice":"none","parallel_tool_calls":false"#, #","tool_choice":{"type":"none"}"#),
            (#""tool_choice":"required""#, #","tool_choice":{"type":"any"}"#),
            (#""parallel_tool_calls":false"#, #","tool_choice":{"type":"auto","disable_parallel_tool_use":true}"#),
            (#""parallel_tool_calls":true"#, ""),
            (
                #""tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","#
                    + #""tools":[{"type":"function","function":{"name":"t"}}]}}"#,
                #","tool_choice":{"type":"any"}"#
            ),
        ])
    func toolChoice(choice: String, expected: String) throws {
        #expect(try rest("\(Self.hi),\(Self.tool),\(choice)") == Self.hiTurn + Self.toolOut + expected)
    }

    @Test("forces no call where the model cannot be forced")
    func unforced() throws {
        let members = "\(Self.hi),\(Self.tool),\"tool_choice\":\"required\""
        #expect(try rest(members, caps: "no_forced_tool").hasSuffix(#""tool_choice":{"type":"auto"}"#))
        #expect(
            try rest("\(members),\"reasoning_effort\":\"low\"", caps: "adaptive").contains(
                #""tool_choice":{"type":"auto"}"#)
        )
    }

    @Test(
        "translates limits, sampling and the rest",
        arguments: [
            (#""temperature":0.70"#, #","temperature":0.70"#),
            (#""temperature":1.5"#, #","temperature":1"#),
            (#""temperature":-1"#, #","temperature":0"#),
            (#""temperature":null,"top_p":0.9"#, #","top_p":0.9"#),
            (#""temperature":0.5,"top_p":0.9"#, #","temperature":0.5"#),
            (#""stop":"END""#, #","stop_sequences":["END"]"#),
            (#""stop":["a"," ","b\n",""]"#, #","stop_sequences":["a","b\n"]"#),
            (#""stop":[]"#, ""),
            (#""user":"u-1""#, #","metadata":{"user_id":"u-1"}"#),
            (#""user":"a@b.test""#, ""),
            (#""user":"+49 170 1234567""#, ""),
            (#""service_tier":"auto""#, #","service_tier":"auto""#),
            (#""service_tier":"default""#, #","service_tier":"standard_only""#),
            (#""service_tier":"flex""#, ""),
            (#""n":1,"seed":7,"logprobs":true,"presence_penalty":1,"logit_bias":{},"store":true,"x":1"#, ""),
            (#""reasoning_effort":"high""#, ""),
            (
                #""thinking":{"type":"enabled","budget_tokens":2000},"temperature":0.2"#,
                #","thinking":{"type":"enabled","budget_tokens":2000}"#
            ),
            (#""response_format":{"type":"text"}"#, ""),
        ])
    func parameters(members: String, expected: String) throws {
        #expect(try rest("\(Self.hi),\(members)") == Self.hiTurn + expected)
    }

    @Test("drops sampling for models that refuse it, but for the neutral temperature")
    func noSampling() throws {
        #expect(try rest(#"\#(Self.hi),"temperature":0.5,"top_p":0.5"#, caps: "no_sampling") == Self.hiTurn)
        #expect(
            try rest(#"\#(Self.hi),"temperature":1"#, caps: "no_sampling") == Self.hiTurn + #","temperature":1"#
        )
    }

    @Test(
        "limits the output as the client says, else as the model can, else to 4096",
        arguments: [
            ("", nil, 4096), ("", 64000, 64000), (#","max_tokens":5"#, 64000, 5),
            (#","max_tokens":5,"max_completion_tokens":6"#, nil, 6), (#","max_tokens":0"#, nil, 0),
        ] as [(String, Int?, Int)])
    func outputLimit(members: String, max: Int?, expected: Int) throws {
        let body = String(buffer: try translate(Self.hi + members, max: max).body)
        #expect(body.hasPrefix(#"{"model":"m","max_tokens":\#(expected),"#))
    }

    @Test(
        "asks for thinking as the model understands it",
        arguments: [
            (
                "adaptive", "medium", "",
                #""thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"medium"}"#
            ),
            ("adaptive xhigh", "xhigh", "", #""output_config":{"effort":"xhigh"}"#),
            ("adaptive", "max", "", #""output_config":{"effort":"high"}"#),
            ("adaptive", "none", "", nil),
            ("adaptive think_always", "none", "", #""output_config":{"effort":"low"}"#),
            ("reasoning", "high", "", #""max_tokens":68096,"#),
            ("reasoning", "low", #","max_tokens":2000"#, #""thinking":{"type":"enabled","budget_tokens":1024}"#),
            ("reasoning", "high", #","max_tokens":2000"#, #""thinking":{"type":"enabled","budget_tokens":1999}"#),
            ("reasoning", "high", #","max_tokens":1024"#, nil),
            ("reasoning", "none", "", nil),
            ("tools", "high", "", nil),
        ] as [(String, String, String, String?)])
    func thinking(caps: String, effort: String, more: String, expected: String?) throws {
        let isRaised = expected?.hasPrefix(#""max_tokens""#) ?? false
        let body = String(
            buffer: try translate(
                #"\#(Self.hi),"reasoning_effort":"\#(effort)"\#(more)"#, max: isRaised ? 64000 : nil, caps: caps
            ).body)
        if isRaised {
            // 64000 leaves room to think in.
            #expect(body.hasPrefix(#"{"model":"m","max_tokens":64000,"#) && body.contains(#""budget_tokens":4096"#))
        } else if let expected {
            #expect(body.contains(expected))
        } else {
            #expect(!body.contains("thinking") && !body.contains("output_config"))
        }
    }

    @Test("gives thinking back as it was, and only with its signature")
    func thinkingBlocks() throws {
        let blocks =
            #"{"type":"thinking","thinking":"t","signature":"s"},{"type":"thinking","thinking":"u"},"#
            + #"{"type":"redacted_thinking","data":"d"}"#
        let body = try rest(
            #""messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"a","reasoning_content":"t","#
                + #""thinking_blocks":[\#(blocks)]},{"role":"user","content":"b"}]"#
        )
        #expect(
            body.contains(
                #"{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},"#
                    + #"{"type":"redacted_thinking","data":"d"},{"type":"text","text":"a"}]}"#
            )
        )
    }

    private static let format =
        #""response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"#
        + #""schema":{"type":"object","properties":{"a":{"type":"string","maxLength":3,"description":"d"},"#
        + #""b":{"oneOf":[{"type":"integer"},{"type":"null"}]}},"required":["a"]}}}"#
    private static let cleaned =
        #"{"type":"object","properties":{"a":{"type":"string","description":"d (maxLength: 3)"},"#
        + #""b":{"anyOf":[{"type":"integer"},{"type":"null"}]}},"required":["a"],"additionalProperties":false}"#

    @Test("asks for a schema natively, or through a tool where the model has no such form")
    func responseFormat() throws {
        #expect(
            try rest("\(Self.hi),\(Self.format)", caps: "schema") == Self.hiTurn
                + #","output_config":{"format":{"type":"json_schema","schema":\#(Self.cleaned)}}"#
        )
        let forced = try translate("\(Self.hi),\(Self.format)", caps: "tools")
        #expect(forced.terms.outputTool == "json_output")
        #expect(String(buffer: forced.body).hasSuffix(#""tool_choice":{"type":"tool","name":"json_output"}}"#))
        #expect(
            try rest(#"\#(Self.hi),"response_format":{"type":"json_object"}"#)
                == #""system":[{"type":"text","text":"Answer with one JSON object and nothing else."}],"# + Self.hiTurn
        )
    }

    @Test(
        "refuses what cannot be said to the provider, in words",
        arguments: [
            (#""messages":[]"#, "`messages` must not be empty"),
            (#""messages":"hi""#, "`messages` must be a list"),
            (#""x":1"#, "`messages` must be a list"),
            (hi + #","n":2"#, "`n` must be 1 for this provider"),
            (hi + #","modalities":["text","audio"]"#, "`modalities` with audio is not supported by this provider"),
            (
                hi + #","tools":[{"type":"custom","custom":{"name":"c"}}]"#,
                "tools of type 'custom' are not supported by this provider"
            ),
            (hi + #","max_tokens":"5""#, "`max_tokens` must be a whole number"),
            (hi + #","temperature":"hot""#, "`temperature` must be a number"),
            (hi + #","stop":5"#, "`stop` must be a string or a list of strings"),
            (hi + #","stop":["a",5]"#, "`stop` must be a string or a list of strings"),
            (hi + #","tool_choice":"perhaps""#, "`tool_choice` 'perhaps' is not known"),
            (
                hi + #","response_format":{"type":"xml"}"#,
                "`response_format` must be of type 'text', 'json_object' or 'json_schema'"
            ),
            (#""messages":[{"role":"robot","content":"x"}]"#, "messages of role 'robot' are not supported"),
            (#""messages":["hi"]"#, "every message must be an object with a role"),
            (
                #""messages":[{"role":"user","content":7}]"#,
                "`content` of a message must be a string or a list of parts"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{}}]}]"#,
                "content parts of type 'input_audio' are not supported by this provider"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x.test/a"}}]}]"#,
                "an image must be a data URL or an https address"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"image_url","#
                    + #""image_url":{"url":"data:image/bmp;base64,AA"}}]}]"#,
                "images must be base64 data of type image/jpeg, image/png, image/gif, image/webp"
            ),
            (
                #""messages":[{"role":"tool","tool_call_id":"x","content":"r"}]"#,
                "the result for tool call 'x' does not follow the message that made the call"
            ),
            (
                #""messages":[{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}},"#
                    + #"{"id":"b","function":{"name":"f"}}]},{"role":"tool","tool_call_id":"b","content":""},"#
                    + #"{"role":"user","content":"x"}]"#,
                "no result for tool call 'a'"
            ),
        ])
    func refusals(members: String, message: String) {
        #expect(refusal(members) == message)
    }

    @Test("takes a long history in a time that grows with its length", .timeLimit(.minutes(1)))
    func longHistory() throws {
        let count = 20_000
        let calls = (0..<count).map { #"{"id":"\u00e4\#($0 % 7)","function":{"name":"\u00e4"}}"# }
        let results = (0..<count).reversed().map { #"{"role":"tool","tool_call_id":"\u00e4\#($0 % 7)","content":"r"}"# }
        let names = (0..<count).map {
            #"{"type":"function","function":{"name":"é\#(String(UnicodeScalar(0x4E00 + $0)!))"}}"#
        }
        let chat = try translate(
            #""messages":[{"role":"assistant","tool_calls":[\#(calls.joined(separator: ","))]},"#
                + #"\#(results.joined(separator: ","))],"tools":[\#(names.joined(separator: ","))]"#
        )
        #expect(chat.terms.toolNames.count == count + 1)
    }

    @Test("keeps names apart that become equal, and the client's names for the answer")
    func names() throws {
        let tools = ["a.b", "a_b", "a-b", "a b"].map { #"{"type":"function","function":{"name":"\#($0)"}}"# }
        let chat = try translate("\(Self.hi),\"tools\":[\(tools.joined(separator: ","))]")
        #expect(chat.terms.toolNames == ["a_b": "a.b", "a_b_2": "a_b", "a_b_3": "a b"])
        #expect(chat.terms.clientName("a-b") == "a-b" && chat.terms.clientName("a_b_2") == "a_b")
    }
}
