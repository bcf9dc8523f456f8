import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// What a provider is not told of is noted by name (providers.md §6.1).
@Suite("Dropped members")
struct DroppedMembersTests {
    private static let messages = #""messages":[{"role":"user","content":"q"}]"#
    private static let tool = #"{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}"#
    private static let called =
        #""messages":[{"role":"user","content":"q"},{"role":"assistant","tool_calls":[{"id":"c","type":"function","#
        + #""function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"r"}]"#

    private func dropped(
        _ chat: any ChatTranslator, _ members: String, _ model: ChatModel, _ messages: String = messages
    ) throws -> [String] {
        try Array("{\(messages),\(members)}".utf8).withUnsafeBytes {
            try chat.request($0, for: model, with: ChatSupplements()).dropped.names
        }
    }

    private func dropped(
        by dialect: ChatDialect, _ members: String, _ model: ChatModel, _ messages: String = messages
    ) throws -> [String] {
        try Array("{\(messages),\(members)}".utf8).withUnsafeBytes { bytes in
            var edits = JSONEdits(bytes)
            var dropped = DroppedMembers()
            try dialect.edit(bytes, for: model, into: &edits, noting: &dropped)
            return dropped.names
        }
    }

    private static let all =
        #""temperature":0.5,"top_p":0.5,"max_tokens":9,"stop":"x","n":1,"stream":false,"parallel_tool_calls":true,"#
        + #""response_format":{"type":"text"},"reasoning_effort":"none","user":null"#

    @Test("nothing is noted where everything has its place")
    func none() throws {
        let plain = #""temperature":0.5,"max_tokens":9,"stop":"x","n":1,"parallel_tool_calls":true,"seed":null"#
        for chat in [
            AnthropicChat(provider: "anthropic"), BedrockChat(provider: "aws-bedrock"),
            GeminiChat(provider: "google-ai-studio", service: .aiStudio), CohereChat(provider: "cohere"),
        ] as [any ChatTranslator] {
            #expect(try dropped(chat, plain, ChatModel(name: "x")).isEmpty)
        }
        #expect(
            try dropped(by: .mistral, #""max_completion_tokens":9,"max_tokens":3,"seed":1"#, ChatModel(name: "x"))
                .isEmpty)
    }

    @Test(
        "Anthropic",
        arguments: [
            (
                #""seed":1,"logit_bias":{},"vendor_x":1,"store":true,"thinking":{"type":"disabled"}"#, "",
                "logit_bias,seed,store,vendor_x"
            ),
            (#""temperature":0.5,"top_p":0.5"#, "", "top_p"),
            (#""temperature":0.5,"top_p":0.5"#, "no_sampling", "temperature,top_p"),
            (#""temperature":1"#, "no_sampling", ""),
            (#""temperature":0.5,"reasoning_effort":"high""#, "adaptive", "temperature"),
            (#""reasoning_effort":"high""#, "tools", "reasoning_effort"),
            (#""reasoning_effort":"none""#, "tools", ""),
            (#""reasoning_effort":"high","thinking":{"type":"adaptive"}"#, "adaptive", "reasoning_effort"),
            (#""user":"a@b.c","service_tier":"flex""#, "", "user,service_tier"),
            (#""user":"u-1","service_tier":"auto""#, "", ""),
            (#""tools":[\#(tool)],"tool_choice":"required""#, "no_forced_tool", "tool_choice"),
            (#""tools":[\#(tool)],"tool_choice":"auto""#, "no_forced_tool", ""),
        ])
    func anthropic(members: String, caps: String, expected: String) throws {
        let capabilities = caps.isEmpty ? nil : Set(caps.split(separator: " ").map(String.init))
        let model = ChatModel(name: "claude-x", maxOutput: 9000, capabilities: capabilities)
        #expect(try dropped(AnthropicChat(provider: "anthropic"), members, model).joined(separator: ",") == expected)
    }

    @Test(
        "Bedrock",
        arguments: [
            ("anthropic.claude-x", #""temperature":0.5,"top_p":0.5,"thinking":{"type":"adaptive"}"#, "temperature"),
            ("amazon.nova-lite-v1:0", #""thinking":{"type":"adaptive"},"seed":1"#, "seed,thinking"),
            (
                "amazon.nova-lite-v1:0", #""reasoning_effort":"high","parallel_tool_calls":false,"tools":[\#(tool)]"#,
                "parallel_tool_calls,reasoning_effort"
            ),
            ("amazon.nova-lite-v1:0", #""web_search_options":{},"service_tier":"auto""#, ""),
            (
                "meta.llama3",
                #""web_search_options":{},"stop":"x","service_tier":"scale","tools":[\#(tool)],"tool_choice":"required""#,
                "web_search_options,stop,tool_choice,service_tier"
            ),
            ("meta.llama3", #""metadata":{"a":"b","c":1}"#, "metadata"),
        ])
    func bedrock(model: String, members: String, expected: String) throws {
        let chat = BedrockChat(provider: "aws-bedrock")
        #expect(try dropped(chat, members, ChatModel(name: model)).joined(separator: ",") == expected)
    }

    @Test("Bedrock has no word for a history with calls and none to come")
    func noChoice() throws {
        let chat = BedrockChat(provider: "aws-bedrock")
        let members = #""tools":[\#(Self.tool)],"tool_choice":"none""#
        let model = ChatModel(name: "amazon.nova-lite-v1:0")
        #expect(try dropped(chat, members, model, Self.called) == ["tool_choice"])
        #expect(try dropped(chat, members, model).isEmpty)
    }

    @Test(
        "Gemini",
        arguments: [
            (
                "gemini-3-pro", #""presence_penalty":1,"frequency_penalty":1,"user":"u""#,
                "user,presence_penalty,frequency_penalty"
            ),
            ("gemini-2.5-pro", #""presence_penalty":1,"seed":1,"logprobs":true,"top_logprobs":2"#, ""),
            (
                "gemini-2.5-pro", #""tools":[\#(tool)],"web_search_options":{},"parallel_tool_calls":false"#,
                "web_search_options,parallel_tool_calls"
            ),
            (
                "gemini-2.0-flash", #""reasoning_effort":"high","service_tier":"scale""#,
                "reasoning_effort,service_tier"
            ),
            (
                "gemini-3-pro", #""reasoning_effort":"high","thinking_config":{"thinking_level":"low"}"#,
                "reasoning_effort"
            ),
            ("gemini-3-pro", #""service_tier":"auto","safety_settings":[],"extra_body":{}"#, ""),
            ("gemini-2.5-pro", #""stop":["a","b","c","d","e"]"#, ""),
            ("gemini-2.5-pro", #""stop":["a","b","c","d","e","f"]"#, "stop"),
        ])
    func gemini(model: String, members: String, expected: String) throws {
        let chat = GeminiChat(provider: "google-ai-studio", service: .aiStudio)
        #expect(try dropped(chat, members, ChatModel(name: model)).joined(separator: ",") == expected)
    }

    @Test(
        "Cohere",
        arguments: [
            (#""top_logprobs":2,"logprobs":true,"user":"u","documents":[],"top_k":3,"seed":1"#, "top_logprobs,user"),
            (#""tools":[\#(tool)],"response_format":{"type":"json_object"}"#, "response_format"),
            (#""reasoning_effort":"high","parallel_tool_calls":false"#, "parallel_tool_calls,reasoning_effort"),
        ])
    func cohere(members: String, expected: String) throws {
        let chat = CohereChat(provider: "cohere")
        #expect(try dropped(chat, members, ChatModel(name: "command-a")).joined(separator: ",") == expected)
    }

    @Test("OpenAI-shaped providers: what their dialect leaves out, in messages too")
    func dialects() throws {
        let named = #""messages":[{"role":"user","name":"n","content":"q"},{"role":"user","name":"m","content":"q"}]"#
        #expect(
            try dropped(by: .mistral, #""user":"u","store":true,"logit_bias":null"#, ChatModel(name: "x"), named)
                == ["user", "store", "messages.name"])
        #expect(
            try dropped(
                by: .perplexity, #""n":1,"response_format":{"type":"json_object"},"seed":1"#, ChatModel(name: "x"))
                == ["response_format", "seed"])
        #expect(
            try dropped(
                by: .deepSeek, #""reasoning_effort":"none","logprobs":true"#, ChatModel(name: "deepseek-reasoner")
            )
            .isEmpty)
        #expect(
            try dropped(
                by: .deepSeek, #""tool_choice":"required","logprobs":true"#, ChatModel(name: "deepseek-reasoner"))
                == ["tool_choice", "logprobs"])
    }

    @Test("names are bounded in number, length and alphabet, and stand once")
    func bounds() {
        var dropped = DroppedMembers()
        #expect(dropped.list == nil)
        for name in ["a", "a", "", "b,c", "d\n", "ä", String(repeating: "x", count: 65), "messages.name"] {
            dropped.add(name)
        }
        #expect(dropped.list == "a,messages.name")
        for number in 0..<40 { dropped.add("m\(number)") }
        #expect(dropped.names.count == 32)
    }
}
