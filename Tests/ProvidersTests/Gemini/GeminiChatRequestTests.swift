import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

@Suite("Chat requests for Gemini")
struct GeminiChatRequestTests {
    private static let hi = #""messages":[{"role":"user","content":"hi"}]"#
    private static let hiTurn = #""contents":[{"role":"user","parts":[{"text":"hi"}]}]"#

    private func translate(
        _ members: String, _ name: String = "gemini-2.5-flash", caps: String? = nil,
        service: GeminiService = .aiStudio, place: CredentialPlace? = nil,
        with supplements: ChatSupplements = ChatSupplements()
    ) throws -> TranslatedChat {
        let model = ChatModel(
            name: name, capabilities: caps.map { Set($0.split(separator: " ").map(String.init)) }, place: place
        )
        return try Array(#"{"model":"x/m",\#(members)}"#.utf8).withUnsafeBytes {
            try GeminiChat(provider: "g", service: service).request($0, for: model, with: supplements)
        }
    }

    private func body(_ members: String, _ name: String = "gemini-2.5-flash", caps: String? = nil) throws -> String {
        String(buffer: try translate(members, name, caps: caps).body)
    }

    /// The members behind the one message that says `hi`.
    private func rest(_ members: String, _ name: String = "gemini-2.5-flash", caps: String? = nil) throws -> String {
        let text = try body("\(Self.hi),\(members)", name, caps: caps)
        let start = "{\(Self.hiTurn)"
        return text.hasPrefix(start) ? String(text.dropFirst(start.count + 1).dropLast()) : text
    }

    private func refusal(_ members: String, _ name: String = "gemini-2.5-flash") -> String {
        do {
            return "accepted: \(String(buffer: try translate(members, name).body))"
        } catch {
            guard let error = error as? GatewayError, error.kind == .badChatCompletion else { return "\(error)" }
            return error.message ?? "no message"
        }
    }

    // MARK: Paths

    @Test("names the model in the path, and asks for events where the client streams")
    func paths() throws {
        let whole = try translate(Self.hi, "models/gemini-3.8-flash")
        #expect(whole.path == "v1beta/models/gemini-3.8-flash:generateContent" && whole.query == nil)
        let streamed = try translate(#"\#(Self.hi),"stream":true"#, "gemini-3.8-flash")
        #expect(streamed.path == "v1beta/models/gemini-3.8-flash:streamGenerateContent")
        #expect(streamed.query == "alt=sse")
        #expect(try translate(Self.hi, "tunedModels/mine").path == "v1beta/tunedModels/mine:generateContent")
        for name in ["", "..", "a/b", "a?b", "a:b", "a%2f", "tunedModels/", "tunedModels/../x"] {
            #expect(refusal(Self.hi, name) == "'\(name)' is no name of a model")
        }
    }

    // MARK: Messages

    @Test("hoists what the system says, merges neighbours, and lets a user begin")
    func turns() throws {
        let messages = """
            "messages":[{"role":"system","content":"one"},{"role":"assistant","content":"a"},\
            {"role":"user","content":""},{"role":"user","content":[{"type":"text","text":"b"},\
            {"type":"text","text":""}]},{"role":"developer","content":[{"type":"text","text":"two"}]},\
            {"role":"assistant","content":"c"},{"role":"assistant","content":"d"}]
            """
        let contents = """
            "contents":[{"role":"user","parts":[FIRST]},{"role":"model","parts":[{"text":"a"}]},\
            {"role":"user","parts":[{"text":"(empty)"},{"text":"b"}]},{"role":"model","parts":[{"text":"c"},\
            {"text":"d"}]}]}
            """
        func expected(_ first: String) -> String {
            String(contents.split(separator: "FIRST")[0]) + first + contents.split(separator: "FIRST")[1]
        }
        #expect(
            try body(messages)
                == #"{"systemInstruction":{"parts":[{"text":"one"},{"text":"two"}]},"#
                + expected(#"{"text":"(empty)"}"#)
        )
        // Models without a place for it hear it from the user.
        #expect(try body(messages, caps: "no_system") == "{" + expected(#"{"text":"one"},{"text":"two"}"#))
        #expect(
            try body(#""messages":[{"role":"system","content":"s"}]"#, "gemma-3-27b-it")
                == #"{"contents":[{"role":"user","parts":[{"text":"s"}]}]}"#
        )
    }

    @Test(
        "carries images, sound and files",
        arguments: [
            (
                #"{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}"#,
                #"{"inlineData":{"mimeType":"image/png","data":"QUJD"}}"#
            ),
            (
                #"{"type":"image_url","image_url":{"url":"gs://bucket/a.jpg"}}"#,
                #"{"fileData":{"mimeType":"image/jpeg","fileUri":"gs://bucket/a.jpg"}}"#
            ),
            (
                #"{"type":"image_url","image_url":{"url":"https://www.youtube.com/watch?v=x.mov"}}"#,
                #"{"fileData":{"fileUri":"https://www.youtube.com/watch?v=x.mov"}}"#
            ),
            (
                #"{"type":"image_url","image_url":{"url":"https://images.test/cat"}}"#,
                #"{"inlineData":{"mimeType":"image/webp","data":"Y2F0"}}"#
            ),
            (
                #"{"type":"input_audio","input_audio":{"data":"QUJD","format":"wav"}}"#,
                #"{"inlineData":{"mimeType":"audio/wav","data":"QUJD"}}"#
            ),
            (
                #"{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,QUJD"}}"#,
                #"{"inlineData":{"mimeType":"application/pdf","data":"QUJD"}}"#
            ),
            (
                #"{"type":"file","file":{"filename":"a.pdf","file_id":"files/abc-1"}}"#,
                #"{"fileData":{"mimeType":"application/pdf","#
                    + #""fileUri":"https://generativelanguage.googleapis.com/v1beta/files/abc-1"}}"#
            ),
        ])
    func media(part: String, expected: String) throws {
        var supplements = ChatSupplements()
        supplements.media["https://images.test/cat"] = RemoteMedia(
            mediaType: "image/webp", bytes: ByteBuffer(string: "cat")
        )
        let chat = try translate(
            #""messages":[{"role":"user","content":[{"type":"text","text":"look"},\#(part)]}]"#, with: supplements
        )
        #expect(
            String(buffer: chat.body) == #"{"contents":[{"role":"user","parts":[{"text":"look"},\#(expected)]}]}"#
        )
    }

    @Test(
        "tells models from 3 on how closely to look at an image",
        arguments: [
            ("gemini-3-pro", "low", #","mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}"#),
            ("gemini-3-pro", "high", #","mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}"#),
            ("gemini-3-pro", "auto", ""), ("gemini-2.5-pro", "high", ""),
        ])
    func detail(model: String, detail: String, expected: String) throws {
        let image = #"{"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD","detail":"\#(detail)"}}"#
        #expect(
            try body(#""messages":[{"role":"user","content":[\#(image)]}]"#, model).contains(
                #""parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}\#(expected)}]"#))
    }

    @Test("asks for the contents of addresses that Google does not read, each once")
    func remoteMedia() {
        let urls = [
            "https://a.test/1", "data:image/png;base64,QQ==", "gs://b/c", "https://a.test/1", "https://a.test/2",
        ]
        let parts = urls.map { #"{"type":"image_url","image_url":{"url":"\#($0)"}}"# }.joined(separator: ",")
        let found = Array(#"{"messages":[{"role":"user","content":[\#(parts)]}]}"#.utf8).withUnsafeBytes {
            GeminiChat(provider: "g", service: .aiStudio).remoteMedia($0, for: ChatModel(name: "gemini-3-flash"))
        }
        #expect(found == ["https://a.test/1", "https://a.test/2"])
    }

    // MARK: Calls

    private static let calling = """
        "messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"so","tool_calls":[\
        {"id":"a:1","function":{"name":"w/x","arguments":"{\\"n\\": 1.50}"}},\
        {"id":"b","function":{"name":"t","arguments":""}}]},\
        {"role":"tool","tool_call_id":"b","content":"[1,2]"},\
        {"role":"tool","tool_call_id":"a:1","content":"{\\"sky\\":\\"blue\\"}"},\
        {"role":"user","content":"and?"}]
        """

    @Test("carries parallel calls, and their results in one content in the order of the calls")
    func parallelCalls() throws {
        #expect(
            try body(Self.calling) == """
                {"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"so"},\
                {"functionCall":{"name":"w_x","args":{"n": 1.50}}},{"functionCall":{"name":"t","args":{}}}]},\
                {"role":"user","parts":[{"functionResponse":{"name":"w_x","response":{"sky":"blue"}}},\
                {"functionResponse":{"name":"t","response":{"result":[1,2]}}}]},\
                {"role":"user","parts":[{"text":"and?"}]}]}
                """
        )
        // From 3 on every call has an id and a turn its signature.
        let bypass = #""thoughtSignature":"c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=""#
        #expect(
            try body(Self.calling, "gemini-3-flash-preview") == """
                {"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"so"},\
                {"functionCall":{"id":"a:1","name":"w_x","args":{"n": 1.50}},\(bypass)},\
                {"functionCall":{"id":"b","name":"t","args":{}}}]},\
                {"role":"user","parts":[{"functionResponse":{"id":"a:1","name":"w_x","response":{"sky":"blue"}}},\
                {"functionResponse":{"id":"b","name":"t","response":{"result":[1,2]}}}]},\
                {"role":"user","parts":[{"text":"and?"}]}]}
                """
        )
    }

    private static let long = "QWJjREVGZ2hpSktMbW5vUFFSc3R1VldYeXphYmNkZWZnaGlq"

    @Test(
        "gives signatures back from wherever a client kept them",
        arguments: [
            (#""id":"c","extra_content":{"google":{"thought_signature":"U0lH"}},"function":{"name":"f"}"#, "c", "U0lH"),
            (#""id":"c","function":{"name":"f","thought_signature":"U0lH"}"#, "c", "U0lH"),
            (#""id":"c__thought__\#(long)","function":{"name":"f"}"#, "c__thought__\(long)", long),
            (
                #""id":"c_ts_\#(long.dropLast())-","function":{"name":"f"}"#, "c_ts_\(long.dropLast())-",
                "\(long.dropLast())+"
            ),
        ])
    func signatures(call: String, id: String, signature: String) throws {
        let text = try body(
            #""messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{\#(call)}]},"#
                + #"{"role":"tool","tool_call_id":"\#(id)","content":"r"}]"#, "gemini-3-pro-preview"
        )
        #expect(text.contains(#"{"functionCall":{"id":"c","name":"f","args":{}},"thoughtSignature":"\#(signature)"}"#))
        #expect(text.contains(#"{"functionResponse":{"id":"c","name":"f","response":{"result":"r"}}}"#))
        #expect(text.components(of: "thoughtSignature") == 1)
    }

    @Test("asks for signatures that a client lost, and prefers them to the bypass")
    func lostSignatures() throws {
        var supplements = ChatSupplements()
        supplements.reasoning["a:1"] = "TE9TVA=="
        let text = String(
            buffer: try translate(Self.calling, "gemini-3-flash-preview", with: supplements).body
        )
        #expect(text.contains(#""args":{"n": 1.50}},"thoughtSignature":"TE9TVA=="}"#))
        #expect(text.components(of: "thoughtSignature") == 1)
        func asked(_ name: String, _ members: String) -> [String] {
            Array("{\(members)}".utf8).withUnsafeBytes {
                GeminiChat(provider: "g", service: .aiStudio).callsWithoutReasoning($0, for: ChatModel(name: name))
            }
        }
        #expect(asked("gemini-3-flash-preview", Self.calling) == ["a:1", "b"])
        #expect(asked("gemini-2.0-flash", Self.calling) == [])
        // What the client gave back is not asked for.
        let kept = Self.calling.replacing(
            #"{"id":"b","#, with: #"{"id":"b","extra_content":{"google":{"thought_signature":"Uw=="}},"#)
        #expect(asked("gemini-3-flash-preview", kept) == [])
        // Nor is anything of models that know no signatures: they are left out.
        #expect(!(try body(kept, "gemini-2.0-flash")).contains("thoughtSignature"))
    }

    @Test("keeps images in results where the model takes them")
    func imagesInResults() throws {
        let messages = """
            "messages":[{"role":"user","content":"hi"},{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"t"}}]},\
            {"role":"tool","tool_call_id":"a","content":[{"type":"text","text":"seen"},\
            {"type":"image_url","image_url":{"url":"data:image/png;base64,QUJD"}}]}]
            """
        #expect(
            try body(messages, "gemini-3-flash").contains(
                #""response":{"result":"seen"},"parts":[{"inlineData":{"mimeType":"image/png","data":"QUJD"}}]}}"#)
        )
        #expect(refusal(messages) == "results of tools must be text for this model")
    }

    @Test("offers functions, and names those that are chosen")
    func tools() throws {
        let tools = """
            "tools":[{"type":"function","function":{"name":"1.a b","description":"d","strict":true,"parameters":{\
            "$schema":"x","type":"object","properties":{"n":{"enum":[1,2],"type":"integer"}},"required":["n"]}}},\
            {"type":"function","function":{"name":"t","parameters":{"type":"object","properties":{}}}}]
            """
        let declared = """
            "tools":[{"functionDeclarations":[{"name":"_1.a_b","description":"d","parametersJsonSchema":{\
            "type":"object","properties":{"n":{"enum":["1","2"],"type":"string"}},"required":["n"]}},{"name":"t"}]}]
            """
        func config(_ mode: String, _ more: String = "") -> String {
            #","toolConfig":{"functionCallingConfig":{"mode":"\#(mode)"\#(more)}}"#
        }
        #expect(try rest(tools) == declared)
        #expect(try rest(tools + #","tool_choice":"auto","parallel_tool_calls":false"#) == declared + config("AUTO"))
        #expect(try rest(tools + #","tool_choice":"none""#) == declared + config("NONE"))
        #expect(try rest(tools + #","tool_choice":"required""#) == declared + config("ANY"))
        #expect(
            try rest(tools + #","tool_choice":{"type":"function","function":{"name":"1.a b"}}"#)
                == declared + config("ANY", #","allowedFunctionNames":["_1.a_b"]"#)
        )
        #expect(try translate("\(Self.hi),\(tools)").terms.toolNames == ["_1.a_b": "1.a b"])
        // Searching and functions go together from 3 on only.
        let search = #""web_search_options":{}"#
        #expect(try rest(search) == #""tools":[{"googleSearch":{}}]"#)
        #expect(try rest("\(tools),\(search)") == declared)
        #expect(try rest("\(tools),\(search)", "gemini-3-flash").hasSuffix(#",{"googleSearch":{}}]"#))
        // A choice without anything to choose from says nothing.
        #expect(try body(#"\#(Self.hi),"tool_choice":"required""#) == "{\(Self.hiTurn)}")
    }

    // MARK: Generation

    @Test("carries limits and sampling as far as the model takes them")
    func sampling() throws {
        let members = """
            "max_completion_tokens":50,"max_tokens":7,"temperature":2.5,"top_p":0.9,"presence_penalty":1,\
            "frequency_penalty":-1.5,"seed":42,"stop":["a"," ","b"],"n":2,"logprobs":true,"top_logprobs":3,\
            "logit_bias":{"1":2},"user":"u","store":true,"modalities":["text","image"]
            """
        let sampled = #""temperature":2,"topP":0.9,"#
        let penalties = #""presencePenalty":1,"frequencyPenalty":-1.5,"#
        let others = """
            "seed":42,"stopSequences":["a","b"],"candidateCount":2,"responseLogprobs":true,"logprobs":3,\
            "responseModalities":["TEXT","IMAGE"]}
            """
        let start = #""generationConfig":{"maxOutputTokens":50,"#
        #expect(try rest(members) == start + sampled + penalties + others)
        #expect(try rest(members, "gemini-3-pro-preview") == start + sampled + others)
        #expect(try rest(members, "gemini-3.8-flash", caps: "no_sampling") == start + others)
        #expect(try rest(#""stop":"x","modalities":["text"]"#) == #""generationConfig":{"stopSequences":["x"]}"#)
    }

    @Test("asks for structured output in the model's own words")
    func formats() throws {
        let schema =
            #"{"type":"object","$schema":"s","strict":true,"properties":{"a":{"type":["integer","null"]}},"#
            + #""required":["a"]}"#
        let format =
            #""response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":\#(schema)}}"#
        #expect(
            try rest(format) == """
                "generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object",\
                "properties":{"a":{"type":["integer","null"]}},"required":["a"]}}
                """
        )
        #expect(
            try rest(format, "gemini-1.5-pro") == """
                "generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT",\
                "properties":{"a":{"type":"INTEGER","nullable":true}},"required":["a"]}}
                """
        )
        #expect(
            try rest(#""response_format":{"type":"json_object"}"#)
                == #""generationConfig":{"responseMimeType":"application/json"}"#
        )
        #expect(try body(#"\#(Self.hi),"response_format":{"type":"text"}"#) == "{\(Self.hiTurn)}")
    }

    @Test(
        "says how much to think as each generation understands it",
        arguments: [
            ("gemini-2.5-flash", nil, "none", #""thinkingBudget":0"#),
            ("gemini-2.5-pro", nil, "none", #""thinkingBudget":128"#),
            ("gemini-2.5-flash", nil, "minimal", #""thinkingBudget":512"#),
            ("gemini-2.5-flash", nil, "low", #""thinkingBudget":1024"#),
            ("gemini-2.5-flash", nil, "medium", #""thinkingBudget":8192"#),
            ("gemini-2.5-pro", nil, "max", #""thinkingBudget":24576"#),
            ("gemini-3-pro-preview", nil, "none", #""thinkingLevel":"low""#),
            ("gemini-3-flash-preview", nil, "none", #""thinkingLevel":"minimal""#),
            ("gemini-3-pro-preview", nil, "medium", #""thinkingLevel":"medium""#),
            ("gemini-3-pro-preview", nil, "xhigh", #""thinkingLevel":"high""#),
            ("gemini-4-argon", "reasoning xhigh", "max", #""thinkingLevel":"xhigh""#),
            ("gemini-flash-latest", "reasoning", "low", #""thinkingLevel":"low""#),
            ("gemini-2.0-flash", nil, "high", ""), ("gemini-2.5-flash-image", nil, "high", ""),
            ("gemini-3.5-flash", "tools vision", "high", ""), ("gemma-4-31b-it", "reasoning", "high", ""),
        ] as [(String, String?, String, String)])
    func thinking(name: String, caps: String?, effort: String, expected: String) throws {
        let text = try rest(#""reasoning_effort":"\#(effort)""#, name, caps: caps)
        let config = #""generationConfig":{"thinkingConfig":{\#(expected)}}"#
        #expect(text == (expected.isEmpty ? "" : config))
    }

    @Test("lets the client's own words for Gemini stand, wherever it puts them")
    func vendorFields() throws {
        #expect(
            try rest(
                #""extra_body":{"google":{"thinking_config":{"include_thoughts":true,"thinking_budget":9},"#
                    + #""cached_content":"cachedContents/1"}},"reasoning_effort":"high","temperature":1,"#
                    + #""generation_config":{"temperature":0.5,"topK":3},"#
                    + #""safety_settings":[{"category":"C","threshold":"BLOCK_NONE"}]"#
            ) == #""generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingBudget":9},"temperature":0.5,"#
                + #""topK":3},"safetySettings":[{"category":"C","threshold":"BLOCK_NONE"}],"#
                + #""cachedContent":"cachedContents/1""#
        )
        // Wanting to see the thoughts leaves their amount to OpenAI's word.
        #expect(
            try rest(#""thinking_config":{"include_thoughts":true},"reasoning_effort":"high""#, "gemini-3-flash")
                == #""generationConfig":{"thinkingConfig":{"includeThoughts":true,"thinkingLevel":"high"}}"#
        )
    }

    @Test("says in which tier to serve, and on Vertex for whom")
    func tiersAndLabels() throws {
        #expect(try rest(#""service_tier":"flex","user":"u","metadata":{"a":"b"}"#) == #""serviceTier":"flex""#)
        #expect(try body(#"\#(Self.hi),"service_tier":"auto""#) == "{\(Self.hiTurn)}")
        let chat = try translate(
            #"\#(Self.hi),"service_tier":"priority","user":"A.b@c","metadata":{"Team":"Red 1","9":"x","n":3}"#,
            service: .vertex, place: CredentialPlace(project: "p-1", region: "us-central1")
        )
        #expect(String(buffer: chat.body) == #"{\#(Self.hiTurn),"labels":{"user":"a_b_c","team":"red_1"}}"#)
        #expect(chat.fields.map { "\($0.name): \($0.value)" } == ["x-vertex-ai-llm-shared-request-type: priority"])
    }

    @Test(
        "refuses what cannot be said to the provider, in words",
        arguments: [
            (#""messages":[]"#, "`messages` must not be empty"),
            (#""messages":[{"role":"user","content":"a"}],"n":0"#, "`n` must be a whole number from 1 to 128"),
            (
                #""messages":[{"role":"user","content":"a"}],"modalities":["text","audio"]"#,
                "`modalities` with audio is not supported by this provider"
            ),
            (
                #""messages":[{"role":"user","content":"a"}],"reasoning_effort":"huge""#,
                "`reasoning_effort` 'huge' is not known"
            ),
            (#""messages":[{"role":"user","content":"a"}],"temperature":"hot""#, "`temperature` must be a number"),
            (
                #""messages":[{"role":"user","content":"a"}],"response_format":{"type":"json_schema"}"#,
                "`response_format` of type 'json_schema' must have a schema"
            ),
            (
                #""messages":[{"role":"user","content":"a"}],"response_format":{"type":"xml"}"#,
                "`response_format` must be of type 'text', 'json_object' or 'json_schema'"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"video_url"}]}]"#,
                "content parts of type 'video_url' are not supported by this provider"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"","#
                    + #""format":"midi"}}]}]"#,
                "audio of format 'midi' is not supported by this provider"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"http://x.test/a"}}]}]"#,
                "an image must be a data URL or an https address"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"https:"#
                    + #"//x.test/a"}}]}]"#,
                "the image at an https address was not fetched; send it as a data URL"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:"#
                    + #"image/png,x"}}]}]"#,
                "data URLs must be in base64"
            ),
            (
                #""messages":[{"role":"user","content":[{"type":"file","file":{"file_id":"files/../x"}}]}]"#,
                "a `file_id` must name a file of Google's Files API"
            ),
            (
                #""messages":[{"role":"tool","tool_call_id":"x","content":"r"}]"#,
                "the result for tool call 'x' does not follow the message that made the call"
            ),
        ])
    func refusals(members: String, message: String) {
        #expect(refusal(members) == message)
    }
}

extension String {
    /// How often a text occurs.
    fileprivate func components(of text: String) -> Int {
        split(separator: text, omittingEmptySubsequences: false).count - 1
    }
}
