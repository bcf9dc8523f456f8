import GatewayCore
import NIOCore
import Testing

@testable import Providers

@Suite("Chat requests for Cohere")
struct CohereChatRequestTests {
    private static let chat = CohereChat(provider: "cohere")
    private static let hi = #""messages":[{"role":"user","content":"hi"}]"#

    private func translate(_ members: String, model: String = "m", caps: String? = nil) throws -> TranslatedChat {
        let model = ChatModel(
            name: model, capabilities: caps.map { Set($0.split(separator: " ").map(String.init)) }
        )
        return try Array(#"{"model":"cohere/m",\#(members)}"#.utf8).withUnsafeBytes {
            try Self.chat.request($0, for: model)
        }
    }

    /// The body's members besides the model.
    private func rest(_ members: String, model: String = "m", caps: String? = nil) throws -> String {
        let body = String(buffer: try translate(members, model: model, caps: caps).body)
        let start = #"{"model":"\#(model)","#
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

    @Test("go to version 2 and keep the order and roles of messages")
    func messages() throws {
        let messages =
            #""messages":[{"role":"developer","content":"be kind"},{"role":"system","content":[{"type":"text","#
            + #""text":"a"},{"type":"text","text":"b"}]},{"role":"user","content":"caf\u00e9"},"#
            + #"{"role":"assistant","content":"ok","reasoning_content":"hm"},{"role":"user","content":[{"type":"text","#
            + #""text":"what?"},{"type":"image_url","image_url":{"url":"https://i.test/a.png","detail":"low"}}]}]"#
        let chat = try translate(messages)
        #expect(chat.path == "v2/chat")
        #expect(
            String(buffer: chat.body)
                == #"{"model":"m","messages":[{"role":"system","content":"be kind"},{"role":"system","content":["#
                + #"{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"user","content":"café"},"#
                + #"{"role":"assistant","content":"ok"},{"role":"user","content":[{"type":"text","text":"what?"},"#
                + #"{"type":"image_url","image_url":{"url":"https://i.test/a.png","detail":"low"}}]}]}"#
        )
        #expect(chat.terms.model == "m")
    }

    @Test("give calls back with their plan, and results in the order of the calls")
    func calls() throws {
        let messages =
            #""messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null,"reasoning_content":"plan","#
            + #""tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},"#
            + #"{"id":"c2","type":"function","function":{"name":"g","arguments":""}}]},"#
            + #"{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]},"#
            + #"{"role":"tool","tool_call_id":"c1","content":"one"}]"#
        #expect(
            try rest(messages)
                == #""messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_plan":"plan","tool_calls":["#
                + #"{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"a\": 1}"}},"#
                + #"{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}]},"#
                + #"{"role":"tool","tool_call_id":"c1","content":"one"},"#
                + #"{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}]"#
        )
    }

    @Test(
        "clamp what the API takes less of, and leave out what it does not know",
        arguments: [
            (#""temperature":1.7"#, #""temperature":1"#), (#""temperature":-1"#, #""temperature":0"#),
            (#""temperature":0.30"#, #""temperature":0.30"#), (#""top_p":1"#, #""p":0.99"#),
            (#""top_p":0"#, #""p":0.01"#), (#""top_k":900"#, #""k":500"#), (#""seed":42"#, #""seed":42"#),
            (#""frequency_penalty":-2"#, #""frequency_penalty":0"#),
            (#""presence_penalty":1.5"#, #""presence_penalty":1"#),
            (#""logprobs":true,"top_logprobs":5"#, #""logprobs":true"#),
            (#""logprobs":false"#, ""), (#""stop":["a"," ","b"]"#, #""stop_sequences":["a","b"]"#),
            (#""stop":"x""#, #""stop_sequences":["x"]"#),
            (#""max_tokens":5,"max_completion_tokens":7"#, #""max_tokens":7"#),
            (#""user":"u","logit_bias":{},"parallel_tool_calls":false,"service_tier":"auto","store":true"#, ""),
            (
                #""documents":[{"id":"d"}],"safety_mode":"NONE","citation_options":{"mode":"OFF"},"priority":3"#,
                #""documents":[{"id":"d"}],"citation_options":{"mode":"OFF"},"safety_mode":"NONE","priority":3"#
            ),
            (#""stream":false"#, ""),
        ])
    func settings(given: String, sent: String) throws {
        #expect(try rest(Self.hi + "," + given) == Self.hi + (sent.isEmpty ? "" : "," + sent))
    }

    private static let tool =
        #"{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"}}}"#

    @Test(
        "choose tools in Cohere's words",
        arguments: [
            (#""auto""#, ""), (#""required""#, #","tool_choice":"REQUIRED""#), (#""none""#, #","tool_choice":"NONE""#),
        ])
    func choice(given: String, sent: String) throws {
        #expect(
            try rest(#"\#(Self.hi),"tools":[\#(Self.tool)],"tool_choice":\#(given)"#)
                == #"\#(Self.hi),"tools":[\#(Self.tool)]\#(sent)"#)
    }

    @Test("send a named tool alone, strictness once, and open parameters for a tool without any")
    func tools() throws {
        let two =
            #""tools":[\#(Self.tool),{"type":"function","function":{"name":"g","strict":true}}]"#
        #expect(
            try rest(#"\#(Self.hi),\#(two),"tool_choice":{"type":"function","function":{"name":"g"}}"#)
                == Self.hi
                + #","tools":[{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}]"#
                + #","strict_tools":true,"tool_choice":"REQUIRED""#)
    }

    @Test("ask for JSON with the schema itself, but not beside tools or documents")
    func format() throws {
        let schema = #"{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#
        let format =
            #""response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":\#(schema)}}"#
        #expect(
            try rest(Self.hi + "," + format)
                == #"\#(Self.hi),"response_format":{"type":"json_object","json_schema":\#(schema)}"#)
        #expect(
            try rest(Self.hi + #","response_format":{"type":"json_object"}"#)
                == Self.hi + #","response_format":{"type":"json_object"}"#)
        #expect(try rest(Self.hi + #","response_format":{"type":"text"}"#) == Self.hi)
        #expect(try rest(#"\#(Self.hi),"tools":[\#(Self.tool)],\#(format)"#) == #"\#(Self.hi),"tools":[\#(Self.tool)]"#)
        #expect(try rest(#"\#(Self.hi),"documents":[],\#(format)"#) == #"\#(Self.hi),"documents":[]"#)
    }

    @Test(
        "ask only models that think to think",
        arguments: [
            ("none", #"{"type":"disabled"}"#), ("low", #"{"type":"enabled","token_budget":1024}"#),
            ("medium", #"{"type":"enabled","token_budget":2048}"#),
            ("high", #"{"type":"enabled","token_budget":8192}"#),
        ])
    func thinking(effort: String, sent: String) throws {
        let given = #"\#(Self.hi),"reasoning_effort":"\#(effort)""#
        #expect(try rest(given) == Self.hi)
        #expect(try rest(given, caps: "tools reasoning") == #"\#(Self.hi),"thinking":\#(sent)"#)
        #expect(try rest(given, model: "command-a-reasoning-08-2025") == #"\#(Self.hi),"thinking":\#(sent)"#)
        #expect(
            try rest(given + #","thinking":{"type":"enabled","token_budget":7}"#)
                == #"\#(Self.hi),"thinking":{"type":"enabled","token_budget":7}"#)
    }

    @Test("keep how the client wants the answer")
    func terms() throws {
        let terms = try translate(
            Self.hi + #","stream":true,"stream_options":{"include_usage":true},"functions":[{"name":"f"}]"#
        ).terms
        #expect(terms.usageChunk == .wanted && terms.callStyle == .function)
        #expect(try rest(Self.hi + #","stream":true"#) == #""stream":true,\#(Self.hi)"#)
    }

    @Test("refuse in words what Cohere cannot be asked")
    func refusals() {
        #expect(refusal(Self.hi + #","n":2"#).contains("`n`"))
        for type in ["input_audio", "file", "video_url"] {
            let part = #"{"type":"\#(type)","input_audio":{"data":"","format":"wav"},"file":{"file_id":"f"}}"#
            #expect(refusal(#""messages":[{"role":"user","content":[\#(part)]}]"#).contains("'\(type)'"))
        }
        let image = #"[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA=="}}]"#
        #expect(refusal(#""messages":[{"role":"system","content":\#(image)}]"#).contains("'image_url'"))
        #expect(refusal(Self.hi + #","temperature":"warm""#).contains("`temperature`"))
        #expect(refusal(Self.hi + #","tools":[{"type":"custom","custom":{"name":"x"}}]"#).contains("'custom'"))
    }
}
