import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

/// providers.md §11: what OpenAI-shaped providers are sent differently.
@Suite("Chat requests in the dialects of OpenAI-shaped providers")
struct ChatDialectRequestTests {
    private static let hi = #""messages":[{"role":"user","content":"hi"}]"#

    private func send(
        _ members: String, to slug: String, model: String = "m", caps: String? = nil
    ) throws -> String {
        let provider = try #require(ProviderRegistry.builtIn.provider(segment: slug))
        let known = ChatModel(name: model, capabilities: caps.map { Set($0.split(separator: " ").map(String.init)) })
        let body = Array("{\(members)}".utf8)
        return try body.withUnsafeBytes { bytes in
            var edits = JSONEdits(bytes)
            var dropped = DroppedMembers()
            try provider.compat.surface?.dialect?.edit(bytes, for: known, into: &edits, noting: &dropped)
            return String(buffer: edits.applied())
        }
    }

    /// What becomes of members beside plain messages.
    private func rest(_ members: String, _ slug: String, model: String = "m", caps: String? = nil) throws -> String {
        let sent = try send("\(Self.hi),\(members)", to: slug, model: model, caps: caps)
        let start = "{" + Self.hi
        guard sent.hasPrefix(start) else { return sent }
        return String(sent.dropFirst(start.count).dropLast().drop { $0 == "," })
    }

    /// What becomes of messages.
    private func messages(_ list: String, _ slug: String) throws -> String {
        let sent = try send(#""messages":[\#(list)]"#, to: slug)
        return String(sent.dropFirst(#"{"messages":["#.count).dropLast(2))
    }

    @Test("N1: a developer is a system for all but those who know the role")
    func developer() throws {
        let developer = #"{"role":"developer","content":"d"}"#
        let system = #"{"role":"system","content":"d"}"#
        for provider in ProviderRegistry.builtIn.all {
            guard case .openAI(let surface) = provider.compat, surface.dialect != nil else { continue }
            let keeps = ["openai", "azure-openai", "openrouter", "grok"].contains(provider.id.rawValue)
            #expect(
                try messages(developer, provider.id.rawValue) == (keeps ? developer : system),
                "\(provider.id.rawValue)")
        }
    }

    @Test(
        "N8: the limit of an answer has the provider's name, and the newer name counts",
        arguments: [
            ("mistral", "max_tokens"), ("groq", "max_completion_tokens"), ("deepseek", "max_tokens"),
            ("cerebras", "max_completion_tokens"), ("perplexity-ai", "max_tokens"), ("workers-ai", "max_tokens"),
            ("baseten", "max_tokens"), ("fireworks", "max_tokens"),
        ])
    func limit(slug: String, name: String) throws {
        #expect(try rest(#""max_tokens":5"#, slug) == #""\#(name)":5"#)
        #expect(try rest(#""max_completion_tokens":7"#, slug) == #""\#(name)":7"#)
        #expect(try rest(#""max_tokens":5,"max_completion_tokens":7"#, slug) == #""\#(name)":7"#)
        #expect(try rest(#""max_tokens":5,"max_completion_tokens":null"#, slug) == #""\#(name)":5"#)
    }

    @Test("providers that take either name get what the client wrote", arguments: ["grok", "openrouter", "parallel"])
    func eitherLimit(slug: String) throws {
        let both = #""max_tokens":5,"max_completion_tokens":7"#
        #expect(try rest(both, slug) == both)
    }

    @Test(
        "what a provider refuses is left out, everything else stays as it was written",
        arguments: [
            ("mistral", #""user":"u","logit_bias":{},"store":true,"verbosity":"low","top_p":1.0"#, #""top_p":1.0"#),
            ("mistral", #""stream_options":{"include_usage":true},"seed":42"#, #""random_seed":42"#),
            ("mistral", #""temperature":2"#, #""temperature":1.5"#),
            ("mistral", #""temperature":0.70"#, #""temperature":0.70"#),
            ("mistral", #""tool_choice":"required""#, #""tool_choice":"any""#),
            ("mistral", #""tool_choice":"auto""#, #""tool_choice":"auto""#), ("mistral", #""n":2"#, #""n":2"#),
            ("mistral", #""reasoning_effort":"high""#, #""reasoning_effort":"high""#),
            (
                "groq", #""logprobs":true,"top_logprobs":2,"logit_bias":{},"metadata":{},"store":false,"user":"u""#,
                #""user":"u""#
            ),
            ("groq", #""n":1,"service_tier":"flex""#, #""service_tier":"flex""#),
            ("cerebras", #""frequency_penalty":1,"presence_penalty":1,"logit_bias":{},"x":[1.50]"#, #""x":[1.50]"#),
            (
                "perplexity", #""seed":1,"logprobs":true,"logit_bias":{},"n":1,"search_mode":"web""#,
                #""search_mode":"web""#
            ),
            ("perplexity", #""response_format":{"type":"json_object"}"#, ""),
            (
                "perplexity", #""response_format":{"type":"regex","regex":{}}"#,
                #""response_format":{"type":"regex","regex":{}}"#
            ),
            ("workers-ai", #""n":1,"logit_bias":{},"stream":true"#, #""stream":true"#),
            (
                "openrouter", #""logit_bias":{},"store":true,"n":3,"provider":{"order":["a"]}"#,
                #""logit_bias":{},"store":true,"n":3,"provider":{"order":["a"]}"#
            ),
            (
                "fireworks", #""context_length_exceeded_behavior":"error","logit_bias":{}"#,
                #""context_length_exceeded_behavior":"error","logit_bias":{}"#
            ),
            ("deepseek", #""reasoning_effort":"none","x":1"#, #"{"thinking":{"type":"disabled"},\#(hi),"x":1}"#),
            ("deepseek", #""reasoning_effort":"high""#, #""reasoning_effort":"high""#),
            (
                "deepseek", #""reasoning_effort":"none","thinking":{"type":"disabled"}"#,
                #""thinking":{"type":"disabled"}"#
            ),
        ])
    func members(slug: String, given: String, sent: String) throws {
        #expect(try rest(given, slug) == sent)
    }

    @Test(
        "models that think are not asked what they refuse",
        arguments: [
            (
                "openai", "gpt-5-mini", "reasoning", #""temperature":0.2,"top_p":0.5,"logprobs":true,"seed":1"#,
                #""seed":1"#
            ),
            ("openai", "gpt-5-mini", "reasoning", #""temperature":1,"stop":["a"]"#, #""temperature":1"#),
            ("openai", "gpt-5-mini", "reasoning", #""max_tokens":5"#, #""max_completion_tokens":5"#),
            ("openai", "o3", nil, #""max_tokens":5,"stop":"x""#, #""max_completion_tokens":5"#),
            ("openai", "o1", nil, #""stop":"x","presence_penalty":1"#, #""stop":"x""#),
            (
                "openai", "gpt-5.2", "reasoning none", #""reasoning_effort":"none","temperature":0.2"#,
                #""reasoning_effort":"none","temperature":0.2"#
            ),
            (
                "openai", "gpt-4o", "tools", #""temperature":0.2,"max_tokens":5,"stop":"x""#,
                #""temperature":0.2,"max_tokens":5,"stop":"x""#
            ),
            ("openai", "gpt-4o", nil, #""logprobs":true,"max_tokens":5"#, #""logprobs":true,"max_tokens":5"#),
            ("azure", "gpt-5-mine", nil, #""temperature":0.2,"max_tokens":5"#, #""max_completion_tokens":5"#),
            (
                "grok", "grok-4.5", "reasoning", #""presence_penalty":1,"frequency_penalty":1,"stop":["a"],"x":1"#,
                #""x":1"#
            ),
            ("grok", "grok-4-fast-non-reasoning", nil, #""stop":["a"]"#, #""stop":["a"]"#),
            ("grok", "grok-3", nil, #""stop":["a"]"#, #""stop":["a"]"#),
            (
                "deepseek", "deepseek-v4-pro", "reasoning", #""logprobs":true,"tool_choice":"required","top_p":1"#,
                #""top_p":1"#
            ),
            (
                "deepseek", "deepseek-v4-pro", "reasoning", #""thinking":{"type":"disabled"},"tool_choice":"required""#,
                #""thinking":{"type":"disabled"},"tool_choice":"required""#
            ),
            (
                "deepseek", "deepseek-chat", "tools", #""logprobs":true,"tool_choice":"required""#,
                #""logprobs":true,"tool_choice":"required""#
            ),
            ("mistral", "mistral-large", "tools", #""reasoning_effort":"high""#, ""),
            ("mistral", "magistral-medium", "reasoning", #""reasoning_effort":"high""#, #""reasoning_effort":"high""#),
        ] as [(String, String, String?, String, String)])
    func thinking(slug: String, model: String, caps: String?, given: String, sent: String) throws {
        #expect(try rest(given, slug, model: model, caps: caps) == sent)
    }

    @Test("several answers are refused where there is one only", arguments: ["groq", "perplexity-ai", "workers-ai"])
    func severalAnswers(slug: String) {
        do {
            Issue.record("accepted: \(try rest(#""n":2"#, slug))")
        } catch {
            #expect((error as? GatewayError)?.kind == .badChatCompletion)
            #expect((error as? GatewayError)?.message?.contains("`n`") == true)
        }
    }

    @Test(
        "messages lose what a provider refuses in them",
        arguments: [
            ("groq", #"{"role":"user","name":"bob","content":"hi"}"#, #"{"role":"user","content":"hi"}"#),
            ("mistral", #"{"role":"user","content":"hi","name":"bob"}"#, #"{"role":"user","content":"hi"}"#),
            (
                "cerebras", #"{"role":"user","content":"hi","name":"bob"}"#,
                #"{"role":"user","content":"hi","name":"bob"}"#
            ),
            (
                "deepseek", #"{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#,
                #"{"role":"user","content":"ab"}"#
            ),
            (
                "deepseek", #"{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}"#,
                #"{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}"#
            ),
            (
                "workers-ai", #"{"role":"assistant","content":null,"tool_calls":[]}"#,
                #"{"role":"assistant","content":"","tool_calls":[]}"#
            ),
            (
                "workers-ai", #"{"role":"tool","tool_call_id":"x","content":[{"type":"text","text":"a"}]}"#,
                #"{"role":"tool","tool_call_id":"x","content":"a"}"#
            ),
            (
                "workers-ai", #"{"role":"user","content":[{"type":"text","text":"a"}]}"#,
                #"{"role":"user","content":[{"type":"text","text":"a"}]}"#
            ),
            (
                "mistral", #"{"role":"user","content":"q"},{"role":"assistant","content":"{"}"#,
                #"{"role":"user","content":"q"},{"prefix":true,"role":"assistant","content":"{"}"#
            ),
            (
                "mistral", #"{"role":"assistant","content":"{","prefix":false}"#,
                #"{"role":"assistant","content":"{","prefix":false}"#
            ),
        ])
    func messageMembers(slug: String, given: String, sent: String) throws {
        #expect(try messages(given, slug) == sent)
    }

    @Test(
        "17.4: reasoning is not echoed to providers that refuse it",
        arguments: [
            ("mistral", true), ("groq", true), ("perplexity-ai", true), ("openai", true), ("deepseek", false),
            ("openrouter", false), ("cerebras", false),
        ])
    func reasoningEcho(slug: String, isRefused: Bool) throws {
        let turns = #"{"role":"user","content":"a"},"#
        let last = #",{"role":"user","content":"c"}"#
        let plain = #"{"role":"assistant","content":"b"}"#
        let thoughtful = #"{"role":"assistant","content":"b","reasoning_content":"hm"}"#
        #expect(
            try messages(turns + thoughtful + last, slug) == turns + (isRefused ? plain : thoughtful) + last)
    }

    @Test("17.4: OpenAI gets ids of at most forty characters, without what other gateways hang on them")
    func longIDs() throws {
        let hung = "call_1__thought__" + String(repeating: "QUJD", count: 20)
        let long = String(repeating: "x", count: 41)
        let given =
            #"{"role":"assistant","content":null,"tool_calls":[{"id":"\#(hung)"},{"id":"\#(long)"},{"id":"call_2"}]},"#
            + #"{"role":"tool","tool_call_id":"\#(hung)","content":"r"},{"role":"tool","tool_call_id":"\#(long)","#
            + #""content":"s"},{"role":"tool","tool_call_id":"call_2","content":"t"}"#
        let expected = given.replacing(hung, with: "call_1").replacing(long, with: "call_" + ShortCallID.of(long))
        for slug in ["openai", "azure-openai"] { #expect(try messages(given, slug) == expected) }
        #expect(try messages(given, "grok") == given)
    }

    @Test(
        "blocks of thinking stay away from those who refuse what they do not know",
        arguments: ["openai", "azure-openai", "mistral", "groq", "perplexity-ai"])
    func foreignThoughts(slug: String) throws {
        let given =
            #"{"role":"assistant","content":"b","thinking_blocks":[{"type":"thinking"}]},{"role":"user","content":"q"}"#
        #expect(try messages(given, slug) == #"{"role":"assistant","content":"b"},{"role":"user","content":"q"}"#)
    }

    @Test("17.3: Mistral gets ids of nine letters and digits, the same for a call and its result")
    func callIDs() throws {
        let given =
            #"{"role":"assistant","content":"","tool_calls":[{"id":"call_abc","type":"function","function":{"name":"f","#
            + #""arguments":"{}"}},{"id":"D681PevKs","type":"function","function":{"name":"f","arguments":"{}"}}]},"#
            + #"{"role":"tool","tool_call_id":"call_abc","content":"r"},"#
            + #"{"role":"tool","tool_call_id":"D681PevKs","content":"s"}"#
        let short = ShortCallID.of("call_abc")
        #expect(ShortCallID.isOne(short) && ShortCallID.of("call_abd") != short)
        #expect(try messages(given, "mistral") == given.replacing("call_abc", with: short))
        #expect(try messages(given, "groq") == given)
        var seen: Set<String> = []
        for number in 0..<20_000 { seen.insert(ShortCallID.of("toolu_\(number)")) }
        #expect(seen.count == 20_000 && seen.allSatisfy(ShortCallID.isOne))
    }

    @Test("Perplexity gets neighbours of one role as one message")
    func neighbours() throws {
        #expect(
            try messages(
                #"{"role":"system","content":"s"},{"role":"developer","content":"t"},{"role":"user","content":"a"},"#
                    + #"{"role":"user","name":"x","content":"b"}, {"role":"assistant","content":"c"},"#
                    + #"{"role":"user","content":"d"},{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}"#,
                "perplexity-ai")
                == #"{"role":"system","content":"s\n\nt"},{"role":"user","content":"a\n\nb"},"#
                + #"{"role":"assistant","content":"c"},"#
                + #"{"role":"user","content":[{"type":"text","text":"d"},{"type":"image_url","image_url":{"url":"u"}}]}"#
        )
        let calls =
            #"{"role":"assistant","content":null,"tool_calls":[{"id":"1"}]},{"role":"tool","tool_call_id":"1","content":"r"},"#
            + #"{"role":"tool","tool_call_id":"2","content":"r"},{"role":"assistant","content":"x"}"#
        #expect(try messages(calls, "perplexity-ai") == calls)
    }

    @Test("a request without anything to change stays as it is, byte for byte")
    func untouched() throws {
        let body = "\"messages\" : [ {\"role\":\"user\",\"content\":\"caf\\u00e9\"} ],\n \"x\":1.50e3"
        for provider in ProviderRegistry.builtIn.all where provider.compat.surface?.dialect != nil {
            #expect(try send(body, to: provider.id.rawValue) == "{\(body)}", "\(provider.id.rawValue)")
        }
    }
}

extension String {
    fileprivate func replacing(_ part: String, with other: String) -> String {
        var result = ""
        var rest = self[...]
        while let found = rest.firstRange(of: part) {
            result += rest[..<found.lowerBound] + other
            rest = rest[found.upperBound...]
        }
        return result + rest
    }

}

extension Substring {
    fileprivate func firstRange(of part: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(part) { return start..<index(start, offsetBy: part.count) }
            start = index(after: start)
        }
        return nil
    }
}
