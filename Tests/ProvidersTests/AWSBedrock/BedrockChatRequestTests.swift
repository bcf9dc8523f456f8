import GatewayCore
import NIOCore
import Testing

@testable import Providers

@Suite("Chat requests for Bedrock")
struct BedrockChatRequestTests {
    private static let chat = BedrockChat(provider: "aws-bedrock")
    private static let hi = #""messages":[{"role":"user","content":"hi"}]"#
    private static let hiTurn = #""messages":[{"role":"user","content":[{"text":"hi"}]}]"#
    private static let claude = "us.anthropic.claude-x-v1:0"
    private static let nova = "amazon.nova-lite-v1:0"

    private func translate(
        _ members: String, model: String = nova, max: Int? = nil, caps: String? = nil,
        place: CredentialPlace? = nil,
        media: [String: RemoteMedia] = [:]
    ) throws -> TranslatedChat {
        let facts = ChatModel(
            name: model, maxOutput: max,
            capabilities: caps.map { Set($0.split(separator: " ").map(String.init)) },
            place: place
        )
        var supplements = ChatSupplements()
        supplements.media = media
        return try Array(#"{"model":"aws-bedrock/\#(model)",\#(members)}"#.utf8).withUnsafeBytes {
            try Self.chat.request($0, for: facts, with: supplements)
        }
    }

    private func body(
        _ members: String, model: String = nova, max: Int? = nil, caps: String? = nil
    ) throws -> String {
        String(buffer: try translate(members, model: model, max: max, caps: caps).body)
    }

    /// What follows the first turn in the body.
    private func rest(
        _ members: String, model: String = nova, max: Int? = nil, caps: String? = nil
    ) throws -> String {
        let body = try body("\(Self.hi),\(members)", model: model, max: max, caps: caps)
        let start = "{\(Self.hiTurn)"
        return body.hasPrefix(start) ? String(body.dropFirst(start.count).dropLast()) : body
    }

    private func refusal(_ members: String, model: String = nova) -> String {
        do {
            return "accepted: \(String(buffer: try translate(members, model: model).body))"
        } catch {
            guard let error = error as? GatewayError, error.kind == .badChatCompletion else {
                return "\(error)"
            }
            return error.message ?? "no message"
        }
    }

    // MARK: Where

    @Test(
        "the model's name becomes one segment of the path",
        arguments: [
            ("anthropic.claude-x-v1:0", "anthropic.claude-x-v1%3A0"),
            ("us.amazon.nova-2_x~y", "us.amazon.nova-2_x~y"),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-lite-v1:0",
                "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fus.amazon.nova-lite-v1%3A0"
            ), ("a b?c#é%", "a%20b%3Fc%23%C3%A9%25"),
        ])
    func path(name: String, segment: String) throws {
        #expect(
            try translate(Self.hi, model: name).path
                == "bedrock-runtime/us-east-1/model/\(segment)/converse")
        #expect(
            try translate("\(Self.hi),\"stream\":true", model: name).path
                == "bedrock-runtime/us-east-1/model/\(segment)/converse-stream"
        )
    }

    @Test("the region is the credential's")
    func region() throws {
        let path = try translate(Self.hi, place: CredentialPlace(region: "eu-central-1")).path
        #expect(path == "bedrock-runtime/eu-central-1/model/amazon.nova-lite-v1%3A0/converse")
        #expect(
            try translate(Self.hi, place: CredentialPlace()).path.hasPrefix("bedrock-runtime/us-east-1/"))
        for region in ["evil.test/", "", "US-EAST-1", "us-east-1.evil"] {
            #expect(throws: GatewayError.self) {
                try translate(Self.hi, place: CredentialPlace(region: region))
            }
        }
    }

    // MARK: Turns

    @Test("puts system texts apart, merges neighbours and drops blank texts")
    func turns() throws {
        let messages = """
            "messages":[{"role":"system","content":"one"},{"role":"developer","content":[{"type":"text","text":"two",\
            "cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":" "}]},\
            {"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b",\
            "cache_control":{"type":"ephemeral"}},{"type":"text","text":"\\n "}]},{"role":"system","content":"three"},\
            {"role":"assistant","content":"c \\n"}]
            """
        #expect(
            try body(messages) == """
                {"system":[{"text":"one"},{"text":"two"},{"cachePoint":{"type":"default","ttl":"1h"}},\
                {"text":"three"}],"messages":[{"role":"user","content":[{"text":"a"},{"text":"b"},\
                {"cachePoint":{"type":"default"}}]},{"role":"assistant","content":[{"text":"c"}]}]}
                """
        )
    }

    @Test("begins with a user and leaves no message without content")
    func placeholders() throws {
        let empty = #"{"role":"user","content":[{"text":"(empty)"}]}"#
        #expect(
            try body(#""messages":[{"role":"assistant","content":"a"},{"role":"user","content":" "}]"#)
                == #"{"messages":[\#(empty),{"role":"assistant","content":[{"text":"a"}]},\#(empty)]}"#
        )
        #expect(
            try body(#""messages":[{"role":"system","content":"s"}]"#)
                == #"{"system":[{"text":"s"}],"messages":[\#(empty)]}"#
        )
    }

    @Test(
        "carries images, documents and sound",
        arguments: [
            (
                #"{"type":"image_url","image_url":{"url":"data:image/jpg;base64,QUJD"}}"#,
                #"{"image":{"format":"jpeg","source":{"bytes":"QUJD"}}}"#
            ),
            (
                #"{"type":"image_url","image_url":{"url":"https://x.test/a"}}"#,
                #"{"image":{"format":"webp","source":{"bytes":"aGk="}}}"#
            ),
            (
                #"{"type":"image_url","image_url":{"url":"s3://b/a.JPG"}}"#,
                #"{"image":{"format":"jpeg","source":{"s3Location":{"uri":"s3://b/a.JPG"}}}}"#
            ),
            (
                #"{"type":"file","file":{"filename":"my  report_1.é.pdf","file_data":"data:application/pdf;base64,QQ=="}}"#,
                #"{"document":{"name":"my report-1--","format":"pdf","source":{"bytes":"QQ=="}}}"#
            ),
            (
                #"{"type":"file","file":{"filename":"n.md","file_data":"data:application/octet-stream;base64,QQ=="}}"#,
                #"{"document":{"name":"n","format":"md","source":{"bytes":"QQ=="}}}"#
            ),
            (
                #"{"type":"file","file":{"file_data":"data:image/gif;base64,QQ=="}}"#,
                #"{"image":{"format":"gif","source":{"bytes":"QQ=="}}}"#
            ),
            (
                #"{"type":"input_audio","input_audio":{"data":"QQ==","format":"mp3"}}"#,
                #"{"audio":{"format":"mp3","source":{"bytes":"QQ=="}}}"#
            ),
        ])
    func media(part: String, block: String) throws {
        let members =
            #""messages":[{"role":"user","content":[{"type":"text","text":"look"},\#(part)]}]"#
        let media = RemoteMedia(mediaType: "image/webp", bytes: ByteBuffer(string: "hi"))
        #expect(
            String(buffer: try translate(members, media: ["https://x.test/a": media]).body)
                == #"{"messages":[{"role":"user","content":[{"text":"look"},\#(block)]}]}"#
        )
    }

    @Test("names documents apart and does not leave them alone")
    func documents() throws {
        let file = #"{"type":"file","file":{"file_data":"data:text/csv;base64,QQ=="}}"#
        func block(_ name: String) -> String {
            #"{"document":{"name":"\#(name)","format":"csv","source":{"bytes":"QQ=="}}}"#
        }
        #expect(
            try body(#""messages":[{"role":"user","content":[\#(file),\#(file)]}]"#)
                == #"{"messages":[{"role":"user","content":[\#(block("document")),\#(block("document (2)")),"#
                + #"{"text":"(empty)"}]}]}"#
        )
    }

    @Test("says which pictures have to be fetched")
    func remoteMedia() {
        let parts = [
            "https://a.test/1", "data:image/png;base64,QQ==", "HTTPS://a.test/2", "https://a.test/1",
        ].map {
            #"{"type":"image_url","image_url":{"url":"\#($0)"}}"#
        }
        let text = #"{"messages":[{"role":"user","content":[\#(parts.joined(separator: ","))]}]}"#
        let found = Array(text.utf8).withUnsafeBytes {
            Self.chat.remoteMedia($0, for: ChatModel(name: "m"))
        }
        #expect(found == ["https://a.test/1", "HTTPS://a.test/2"])
        #expect(
            Array("{}".utf8).withUnsafeBytes { Self.chat.remoteMedia($0, for: ChatModel(name: "m")) }
                .isEmpty)
    }

    @Test(
        "refuses media that it cannot send",
        arguments: [
            (#"{"type":"image_url","image_url":{"url":"http://x.test/a.png"}}"#, "an image must be"),
            (#"{"type":"image_url","image_url":{"url":"https://x.test/a.png"}}"#, "an image must be"),
            (
                #"{"type":"image_url","image_url":{"url":"data:image/tiff;base64,QQ=="}}"#,
                "images must be PNG"
            ),
            (#"{"type":"image_url","image_url":{"url":"data:image/png,raw"}}"#, "images must be PNG"),
            (#"{"type":"image_url","image_url":{"url":"s3://bucket/no-ending"}}"#, "images must be PNG"),
            (#"{"type":"file","file":{"file_id":"f"}}"#, "a file must be a base64 data URL"),
            (
                #"{"type":"file","file":{"file_data":"data:application/zip;base64,QQ=="}}"#,
                "files of type 'application/zip'"
            ), (#"{"type":"input_audio","input_audio":{"data":"QQ=="}}"#, "`input_audio` must have"),
            (#"{"type":"video_url","video_url":{}}"#, "content parts of type 'video_url'"),
        ])
    func refusedMedia(part: String, message: String) {
        #expect(refusal(#""messages":[{"role":"user","content":[\#(part)]}]"#).hasPrefix(message))
    }

    @Test(
        "carries parallel calls and their results: thoughts first, then texts, then calls, results in one turn"
    )
    func parallelCalls() throws {
        let long = String(repeating: "x", count: 70)
        let body = try body(
            """
            "messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Let me see.",\
            "thinking_blocks":[{"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},\
            {"type":"thinking","thinking":"so","signature":"t"},{"type":"redacted_thinking","data":"QQ=="},\
            {"type":"thinking","thinking":"unproved"},{"reasoningContent":{"reasoningText":{"text":"unproved"}}}],\
            "tool_calls":[{"id":"a|1","type":"function","function":{"name":"w.x","arguments":"{\\"n\\": 1.50}"}},\
            {"id":"tooluse_b.:-","type":"function","function":{"name":"9t","arguments":""}},\
            {"id":"\(long)","type":"function","function":{"name":"t","arguments":"not json"}}]},\
            {"role":"tool","tool_call_id":"\(long)","content":[{"type":"text","text":"x"}]},\
            {"role":"tool","tool_call_id":"tooluse_b.:-","content":"","is_error":true},\
            {"role":"tool","tool_call_id":"a|1","content":"sun"},\
            {"role":"user","content":"so?"},{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"t"}}]},\
            {"role":"tool","tool_call_id":"c","content":"y"}],\
            "tools":[{"type":"function","function":{"name":"w.x","description":"d",\
            "parameters":{"properties":{"n":{"type":"number"}}}}},\
            {"type":"function","function":{"name":"9t"},"cache_control":{"type":"ephemeral"}}],\
            "tool_choice":{"type":"function","function":{"name":"w.x"}}
            """
        )
        let short = String(long.prefix(64))
        #expect(
            body == """
                {"messages":[{"role":"user","content":[{"text":"hi"}]},{"role":"assistant","content":[\
                {"reasoningContent":{"reasoningText":{"text":"hm","signature":"s"}}},\
                {"reasoningContent":{"reasoningText":{"text":"so","signature":"t"}}},\
                {"reasoningContent":{"redactedContent":"QQ=="}},{"text":"Let me see."},\
                {"toolUse":{"toolUseId":"a_1","name":"w_x","input":{"n": 1.50}}},\
                {"toolUse":{"toolUseId":"tooluse_b.:-","name":"f_9t","input":{}}},\
                {"toolUse":{"toolUseId":"\(short)","name":"t","input":{"_raw":"not json"}}}]},\
                {"role":"user","content":[{"toolResult":{"toolUseId":"a_1","content":[{"text":"sun"}]}},\
                {"toolResult":{"toolUseId":"tooluse_b.:-","content":[{"text":"(empty)"}],"status":"error"}},\
                {"toolResult":{"toolUseId":"\(short)","content":[{"text":"x"}]}},{"text":"so?"}]},\
                {"role":"assistant","content":[{"toolUse":{"toolUseId":"c","name":"t","input":{}}}]},\
                {"role":"user","content":[{"toolResult":{"toolUseId":"c","content":[{"text":"y"}]}}]}],\
                "toolConfig":{"tools":[{"toolSpec":{"name":"w_x","description":"d","inputSchema":{"json":\
                {"type":"object","properties":{"n":{"type":"number"}}}}}},{"toolSpec":{"name":"f_9t",\
                "description":"9t","inputSchema":{"json":{"type":"object","properties":{}}}}},\
                {"cachePoint":{"type":"default"}}],"toolChoice":{"tool":{"name":"w_x"}}}}
                """
        )
        let terms = try translate(
            #"\#(Self.hi),"tools":[{"type":"function","function":{"name":"w.x"}}]"#
        ).terms
        #expect(terms.toolNames == ["w_x": "w.x"] && terms.model == Self.nova)
    }

    @Test("merges messages of the model with the calls last")
    func mergedCalls() throws {
        let call =
            #"{"role":"assistant","content":"a","tool_calls":[{"id":"x","function":{"name":"t"}}]}"#
        let body = try body(
            #""messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"before"},\#(call),"#
                + #"{"role":"tool","tool_call_id":"x","content":[{"type":"image_url","image_url":"#
                + #"{"url":"data:image/png;base64,QQ=="}}]}]"#
        )
        #expect(
            body.contains(
                #"[{"text":"before"},{"text":"a"},{"toolUse":{"toolUseId":"x","name":"t","input":{}}}]"#
            )
        )
        #expect(body.contains(#""content":[{"image":{"format":"png","source":{"bytes":"QQ=="}}}]}}"#))
        // A history with calls comes with definitions of what was called.
        #expect(
            body.hasSuffix(
                #""toolConfig":{"tools":[{"toolSpec":{"name":"t","description":"t","inputSchema":{"json":"#
                    + #"{"type":"object"}}}}]}}"#
            )
        )
    }

    // MARK: Tools

    private static let tool = #""tools":[{"type":"function","function":{"name":"t"}}]"#
    private static let tools =
        #","toolConfig":{"tools":[{"toolSpec":{"name":"t","description":"t","inputSchema":{"json":"#
        + #"{"type":"object","properties":{}}}}}]"#

    @Test(
        "translates the choice of a tool as far as a family has it",
        arguments: [
            (nova, #""tool_choice":"auto""#, #","toolChoice":{"auto":{}}}"#),
            (nova, #""tool_choice":"required""#, #","toolChoice":{"any":{}}}"#),
            ("mistral.m", #""tool_choice":"required""#, #","toolChoice":{"any":{}}}"#),
            ("meta.llama4-x", #""tool_choice":"required""#, "}"),
            ("meta.llama4-x", #""tool_choice":"auto""#, #","toolChoice":{"auto":{}}}"#),
            (
                "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc",
                #""tool_choice":"required""#,
                #","toolChoice":{"any":{}}}"#
            ), (nova, #""parallel_tool_calls":false"#, "}"),
        ])
    func toolChoice(model: String, choice: String, expected: String) throws {
        #expect(try rest("\(Self.tool),\(choice)", model: model) == Self.tools + expected)
    }

    @Test("asks Claude for one call at a time in its own words")
    func serialCalls() throws {
        func claude(_ more: String, caps: String? = nil) throws -> String {
            try rest("\(Self.tool),\"parallel_tool_calls\":false\(more)", model: Self.claude, caps: caps)
        }
        let start = #","inferenceConfig":{"maxTokens":4096}"# + Self.tools
        func extras(_ choice: String) -> String {
            start
                + #"},"additionalModelRequestFields":{"tool_choice":{\#(choice),"disable_parallel_tool_use":true}}"#
        }
        #expect(try claude("") == extras(#""type":"auto""#))
        #expect(try claude(#","tool_choice":"required""#) == extras(#""type":"any""#))
        #expect(
            try claude(#","tool_choice":{"type":"function","function":{"name":"t"}}"#)
                == extras(#""type":"tool","name":"t""#)
        )
        #expect(
            try claude(#","tool_choice":"required""#, caps: "no_forced_tool") == extras(#""type":"auto""#)
        )
    }

    @Test("leaves definitions out when nothing may be called, unless the history needs them")
    func noTools() throws {
        #expect(try rest("\(Self.tool),\"tool_choice\":\"none\"") == "")
        #expect(try rest(#""tools":[]"#) == "")
        let history =
            #""messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"x","#
            + #""function":{"name":"t"}}]},{"role":"tool","tool_call_id":"x","content":"r"}]"#
        #expect(
            try body("\(history),\(Self.tool),\"tool_choice\":\"none\"").hasSuffix(
                Self.tools + #","toolChoice":{"auto":{}}}}"#
            )
        )
    }

    @Test("strict tools get cleaned schemas; the web is searched by Nova only")
    func otherTools() throws {
        let strict = try rest(
            #""tools":[{"type":"function","function":{"name":"t","description":"","strict":true,"parameters":"#
                + #"{"type":"object","properties":{"a":{"type":"string","maxLength":3}}}}}]"#
        )
        #expect(
            strict
                == #","toolConfig":{"tools":[{"toolSpec":{"name":"t","description":"t","inputSchema":{"json":"#
                + #"{"type":"object","properties":{"a":{"type":"string","description":"(maxLength: 3)"}},"#
                + #""additionalProperties":false}},"strict":true}}]}"#
        )
        let search = #""web_search_options":{}"#
        #expect(
            try rest(search) == #","toolConfig":{"tools":[{"systemTool":{"name":"nova_grounding"}}]}"#
        )
        #expect(try rest(search, model: "meta.llama4-x") == "")
    }

    // MARK: Parameters

    @Test(
        "clamps and drops what a family does not take",
        arguments: [
            (
                nova, "", #""temperature":1.7,"top_p":0.90"#,
                #","inferenceConfig":{"temperature":1,"topP":0.90}"#
            ),
            (
                nova, "", #""max_completion_tokens":5,"max_tokens":9"#,
                #","inferenceConfig":{"maxTokens":5}"#
            ),
            (nova, "", #""max_tokens":0"#, #","inferenceConfig":{"maxTokens":1}"#),
            (nova, "", #""stop":["a"," "]"#, #","inferenceConfig":{"stopSequences":["a"]}"#),
            ("meta.llama3-x", "", #""stop":"a""#, ""), ("us.deepseek.r1-v1:0", "", #""stop":"a""#, ""),
            (nova, "no_sampling", #""temperature":0.5,"top_p":0.5"#, ""),
            (
                nova, "",
                #""seed":1,"presence_penalty":1,"logprobs":true,"logit_bias":{},"user":"u","n":1"#, ""
            ),
            (
                claude, "", #""temperature":0.5,"top_p":0.5"#,
                #","inferenceConfig":{"maxTokens":4096,"temperature":0.5}"#
            ),
            (
                claude, "no_sampling", #""temperature":1,"top_p":0.5"#,
                #","inferenceConfig":{"maxTokens":4096,"temperature":1}"#
            ), (nova, "", #""service_tier":"flex""#, #","serviceTier":{"type":"flex"}"#),
            (nova, "", #""service_tier":"auto""#, ""),
            (
                nova, "", #""metadata":{"team":"a b","bad":"é","n":1,"":"x"}"#,
                #","requestMetadata":{"team":"a b"}"#
            ),
        ])
    func parameters(model: String, caps: String, members: String, expected: String) throws {
        #expect(try rest(members, model: model, caps: caps.isEmpty ? nil : caps) == expected)
    }

    @Test("Claude always has a limit: the client's, the catalogue's or the usual one")
    func limits() throws {
        #expect(try rest(#""x":1"#, model: Self.claude) == #","inferenceConfig":{"maxTokens":4096}"#)
        #expect(
            try rest(#""x":1"#, model: Self.claude, max: 777) == #","inferenceConfig":{"maxTokens":777}"#)
        #expect(
            try rest(#""max_tokens":9"#, model: Self.claude, max: 777)
                == #","inferenceConfig":{"maxTokens":9}"#
        )
        #expect(try rest(#""x":1"#, max: 777) == "")
    }

    @Test(
        "asks for reasoning in each family's words",
        arguments: [
            (
                claude, "reasoning", #""reasoning_effort":"medium","temperature":0.5"#,
                #","inferenceConfig":{"maxTokens":4096},"additionalModelRequestFields":{"thinking":"#
                    + #"{"type":"enabled","budget_tokens":2048}}"#
            ),
            (
                claude, "adaptive", #""reasoning_effort":"high""#,
                #","inferenceConfig":{"maxTokens":4096},"additionalModelRequestFields":{"thinking":"#
                    + #"{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}}"#
            ),
            (
                claude, "", #""thinking":{"type":"enabled","budget_tokens":1024}"#,
                #","inferenceConfig":{"maxTokens":4096},"additionalModelRequestFields":{"thinking":"#
                    + #"{"type":"enabled","budget_tokens":1024}}"#
            ),
            (
                "us.amazon.nova-2-lite-v1:0", "", #""reasoning_effort":"minimal""#,
                #","additionalModelRequestFields":{"reasoningConfig":{"type":"enabled","maxReasoningEffort":"low"}}"#
            ),
            (
                "openai.gpt-oss-120b-1:0", "", #""reasoning_effort":"xhigh""#,
                #","additionalModelRequestFields":{"reasoning_effort":"high"}"#
            ), ("openai.gpt-oss-120b-1:0", "", #""reasoning_effort":"none""#, ""),
            (nova, "", #""reasoning_effort":"high""#, ""),
            ("meta.llama4-x", "", #""reasoning_effort":"low""#, ""),
        ])
    func reasoning(model: String, caps: String, members: String, expected: String) throws {
        #expect(try rest(members, model: model, caps: caps.isEmpty ? nil : caps) == expected)
    }

    @Test("asks for structured output: natively, by a forced tool, or in words")
    func structuredOutput() throws {
        let format =
            #""response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":"#
            + #"{"type":"object","properties":{"a":{"type":"string","minLength":1}}}}}"#
        #expect(
            try rest(format)
                == #","outputConfig":{"textFormat":{"type":"json_schema","structure":{"jsonSchema":{"schema":"#
                + #""{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"string\",\"description\":"#
                + #"\"(minLength: 1)\"}},\"additionalProperties\":false}","name":"n","description":"d"}}}}"#
        )
        let forced = try translate("\(Self.hi),\(format)", caps: "tools")
        #expect(forced.terms.outputTool == "json_output")
        #expect(
            String(buffer: forced.body).hasSuffix(
                #""toolConfig":{"tools":[{"toolSpec":{"name":"json_output","#
                    + #""description":"Gives the answer in the form that was asked for.","inputSchema":{"json":"#
                    + #"{"type":"object","properties":{"a":{"type":"string","minLength":1}}}}}}],"#
                    + #""toolChoice":{"tool":{"name":"json_output"}}}}"#
            )
        )
        #expect(
            try body("\(Self.hi),\"response_format\":{\"type\":\"json_object\"}")
                == #"{"system":[{"text":"Answer with one JSON object and nothing else."}],\#(Self.hiTurn)}"#
        )
    }

    @Test(
        "refuses what would change the answer's shape",
        arguments: [
            (#""n":2"#, "`n` must be 1"), (#""modalities":["text","audio"]"#, "`modalities` with audio"),
            (#""tools":[{"type":"custom","custom":{"name":"c"}}]"#, "tools of type 'custom'"),
            (#""response_format":{"type":"grammar"}"#, "`response_format` must be"),
            (#""temperature":"hot""#, "`temperature` must be a number"), (#""stop":5"#, "`stop` must be"),
        ])
    func refused(members: String, message: String) {
        #expect(refusal("\(Self.hi),\(members)").hasPrefix(message))
    }

    @Test("refuses pictures among system messages, and unknown efforts")
    func otherRefusals() {
        let image = #"{"type":"image_url","image_url":{"url":"data:image/png;base64,QQ=="}}"#
        #expect(
            refusal(#""messages":[{"role":"system","content":[\#(image)]}]"#).hasPrefix(
                "system messages may hold")
        )
        #expect(
            refusal("\(Self.hi),\"reasoning_effort\":\"huge\"", model: "openai.gpt-oss-20b-1:0")
                .hasPrefix(
                    "`reasoning_effort` 'huge'"
                )
        )
    }

    @Test("tells vendors by the model's name")
    func vendors() {
        for name in [
            "anthropic.claude-x", "us.anthropic.claude-x",
            "arn:aws:bedrock:r:1:inference-profile/eu.anthropic.c",
        ] { #expect(BedrockModel(name).isClaude) }
        #expect(
            BedrockModel("amazon.nova-pro-v1:0").isNova
                && !BedrockModel("amazon.nova-pro-v1:0").isThinkingNova)
        #expect(BedrockModel("global.amazon.nova-2-lite-v1:0").isThinkingNova)
        #expect(!BedrockModel("amazon.titan-text").isNova)
        for name in ["", "my-model", "a.b.anthropic.claude", "arn:aws:bedrock:r:1:imported-model/abc"] {
            #expect(BedrockModel(name).vendor == nil)
        }
    }
}
