import GatewayCore
import NIOCore
import Providers
import Testing
import WireFormats

private func request(
    _ json: String, webSearch: ResponsesRule.WebSearch = .none, usage: ResponsesRequest.UsageOption = .left,
    for provider: ProviderID = "anthropic"
) throws(GatewayError) -> ResponsesRequest {
    let bytes = ByteBuffer(string: json)
    let result: Result<ResponsesRequest, GatewayError> = bytes.withUnsafeReadableBytes { raw in
        do throws(GatewayError) {
            return .success(try ResponsesRequest(raw, for: provider, webSearch: webSearch, usage: usage))
        } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

private func chat(_ json: String, webSearch: ResponsesRule.WebSearch = .none) throws -> String {
    String(buffer: try request(json, webSearch: webSearch).chat)
}

/// A member of an answer or an event as JSON text.
private func member(_ json: String, _ path: String...) -> String? {
    var text = json
    for name in path {
        let found: String? = text.withUTF8 { bytes in
            let view = JSONView(UnsafeRawBufferPointer(bytes))
            if let index = Int(name) {
                var elements: [String] = []
                view.forEachElement { elements.append(String(decoding: $0.bytes, as: UTF8.self)) }
                return elements.indices.contains(index) ? elements[index] : nil
            }
            var found: String?
            view.forEachMember { key, value in
                if key == name { found = String(decoding: value.bytes, as: UTF8.self) }
            }
            return found
        }
        guard let found else { return nil }
        text = found
    }
    return text
}

private func answers(for json: String = #"{"model":"m","input":"x"}"#) throws -> ResponsesAnswers {
    ResponsesAnswers(of: nil, try request(json).echo, provider: "mistral")
}

private func answer(_ completion: String, for asked: String = #"{"model":"m","input":"x"}"#) throws -> String {
    let bytes = ByteBuffer(string: completion)
    let answers = try answers(for: asked)
    let result: Result<ChatAnswer, GatewayError> = bytes.withUnsafeReadableBytes { raw in
        do throws(GatewayError) { return .success(try answers.answer(raw, ChatTerms())) } catch {
            return .failure(error)
        }
    }
    switch try result.get() {
    case .completion(let json): return String(buffer: json)
    case .failure(let failure): return "failed \(failure.status): \(failure.message)"
    }
}

/// A stream's events as `type` and JSON text, fed in pieces of `size` bytes.
private func stream(
    _ body: String, size: Int = .max
) throws -> (events: [(type: String, json: String)], state: ChatStreamState) {
    var stream = try answers().stream(ChatTerms())
    var parser = SSEParser()
    var out = ByteBuffer()
    var rest = Array(body.utf8)[...]
    while !rest.isEmpty {
        let piece = Array(rest.prefix(size))
        try piece.withUnsafeBytes { bytes in
            try parser.feed(bytes) { name, data in stream.take(name, data, into: &out) }
        }
        rest = rest.dropFirst(piece.count)
    }
    parser.finish { name, data in stream.take(name, data, into: &out) }
    stream.finish(into: &out)
    var events: [(String, String)] = []
    var reader = SSEParser()
    try out.withUnsafeReadableBytes { bytes in
        try reader.feed(bytes) { name, data in
            events.append((String(decoding: name, as: UTF8.self), String(decoding: data, as: UTF8.self)))
        }
    }
    return (events, stream.state)
}

private let chunks = #"""
    data: {"id":"chatcmpl-7","object":"chat.completion.chunk","created":17,"model":"m-1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}

    data: {"id":"chatcmpl-7","choices":[{"index":0,"delta":{"reasoning_content":"Hm"},"finish_reason":null}]}

    : keep-alive

    data: {"id":"chatcmpl-7","choices":[{"index":0,"delta":{"reasoning_content":"m."},"finish_reason":null}]}

    data: {"id":"chatcmpl-7","choices":[{"index":0,"delta":{"content":"Wéll"},"finish_reason":null}]}

    data: {"id":"chatcmpl-7","choices":[{"index":0,"delta":{"content":" then"},"finish_reason":null}]}

    data: {"id":"chatcmpl-7","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_a","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}

    data: {"id":"chatcmpl-7","choices":[{"index":0,"delta":{"tool_calls":[{"index":1,"id":"call_b","type":"function","function":{"name":"g","arguments":"{\"b\":"}}]},"finish_reason":null}]}

    data: {"id":"chatcmpl-7","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"a\":1}"}},{"index":1,"function":{"arguments":"2}"}}]},"finish_reason":null}]}

    data: {"id":"chatcmpl-7","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

    data: {"id":"chatcmpl-7","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}

    data: [DONE]


    """#

@Suite struct ResponsesTests {
    @Test("a request in full becomes a chat")
    func wholeRequest() throws {
        let found = try chat(
            #"""
            {"model":"anthropic/claude-x","instructions":"Be brief.","max_output_tokens":64,"temperature":0.5,"top_p":0.9,
            "parallel_tool_calls":false,"stream":true,"store":true,"metadata":{"a":"b"},"reasoning":{"effort":"low","summary":"auto"},
            "text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{"type":"object"},"strict":true}},
            "tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"}},
            {"type":"function","name":"g","parameters":null,"strict":false},{"type":"web_search","search_context_size":"low","user_location":{"type":"approximate","city":"Rome","country":null}}],
            "tool_choice":{"type":"function","name":"f"},
            "input":[{"role":"user","content":"hi"},
            {"type":"message","role":"developer","content":[{"type":"input_text","text":"D"}]},
            {"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"thought"}]},
            {"type":"message","role":"assistant","content":[{"type":"output_text","text":"A","annotations":[]},{"type":"refusal","refusal":"R"}]},
            {"type":"function_call","call_id":"c1","name":"f","arguments":"{\"x\":1}"},
            {"type":"function_call","call_id":"c2","name":"g","arguments":"{}"},
            {"type":"function_call_output","call_id":"c1","output":"out"},
            {"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"o2"}]},
            {"role":"user","content":[{"type":"input_image","image_url":"https://x/y.png","detail":"low"},{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,AA"}]}]}
            """#, webSearch: .options)
        #expect(
            found
                == #"{"model":"anthropic/claude-x","messages":["#
                + #"{"role":"system","content":"Be brief."},{"role":"user","content":"hi"},"#
                + #"{"role":"developer","content":[{"type":"text","text":"D"}]},"#
                + #"{"role":"assistant","content":[{"type":"text","text":"A"},{"type":"refusal","refusal":"R"}],"#
                + #""tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{\"x\":1}"}},"#
                + #"{"id":"c2","type":"function","function":{"name":"g","arguments":"{}"}}],"reasoning_content":"thought"},"#
                + #"{"role":"tool","tool_call_id":"c1","content":"out"},"#
                + #"{"role":"tool","tool_call_id":"c2","content":[{"type":"text","text":"o2"}]},"#
                + #"{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://x/y.png","detail":"low"}},"#
                + #"{"type":"file","file":{"file_data":"data:application/pdf;base64,AA","filename":"a.pdf"}}]}],"#
                + #""stream":true,"max_completion_tokens":64,"temperature":0.5,"top_p":0.9,"parallel_tool_calls":false,"#
                + #""tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object"},"strict":true}},"#
                + #"{"type":"function","function":{"name":"g","strict":false}}],"web_search_options":{"user_location":{"type":"approximate","approximate":{"city":"Rome"}},"search_context_size":"low"},"#
                + #""tool_choice":{"type":"function","function":{"name":"f"}},"verbosity":"low","#
                + #""response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},"#
                + #""reasoning_effort":"low"}"#)
    }

    @Test("usage is asked of a stream in the body only where nobody else asks")
    func usageOption() throws {
        let body = #"{"model":"m","input":"x","stream":true}"#
        #expect(!String(buffer: try request(body).chat).contains("stream_options"))
        #expect(
            String(buffer: try request(body, usage: .asked).chat).contains(#""stream_options":{"include_usage":true}"#))
        let whole = #"{"model":"m","input":"x"}"#
        #expect(!String(buffer: try request(whole, usage: .asked).chat).contains("stream_options"))
    }

    @Test("turns end where another role begins, and thoughts belong to what follows them")
    func turns() throws {
        let found = try chat(
            #"{"model":"m","input":[{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"reasoning","summary":[{"text":"t"}]},{"role":"assistant","content":"b"},{"type":"reasoning","summary":[{"text":"alone"}]}]}"#
        )
        #expect(
            member(found, "messages")
                == #"[{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"assistant","content":[{"type":"text","text":"b"}],"reasoning_content":"t"}]"#
        )
    }

    @Test(
        "what a chat cannot do is refused in words",
        arguments: [
            (#""previous_response_id":"resp_1","input":"x""#, "previous_response_id"),
            (#""conversation":"c","input":"x""#, "conversation"), (#""background":true,"input":"x""#, "background"),
            (#""prompt":{"id":"p"},"input":"x""#, "prompt"), (#""input":7"#, "input"), (#""x":1"#, "input"),
            (#""input":[{"type":"item_reference","id":"i"}]"#, "item_reference"),
            (#""input":[{"role":"root","content":"x"}]"#, "root"),
            (#""input":[{"role":"user","content":[{"type":"video"}]}]"#, "video"),
            (#""input":[{"role":"user","content":[{"type":"input_file","file_url":"https://x"}]}]"#, "input_file"),
            (#""input":"x","tools":[{"type":"file_search"}]"#, "file_search"),
            (#""input":"x","tools":[{"type":"web_search"}]"#, "web_search"),
            (#""input":"x","tools":[{"type":"custom","name":"c"}]"#, "custom"),
            (#""input":"x","tool_choice":{"type":"mcp"}"#, "mcp"),
            (#""input":"x","text":{"format":{"type":"grammar"}}"#, "grammar"),
        ])
    func refusals(members: String, named: String) {
        do {
            _ = try request(#"{"model":"m",\#(members)}"#)
            Issue.record("not refused")
        } catch {
            #expect(error.kind == .badChatCompletion && (error.message ?? "").contains(named))
        }
    }

    @Test("a whole answer has its items in order and repeats the request")
    func wholeAnswer() throws {
        let found = try answer(
            #"{"id":"chatcmpl-1","created":17,"model":"m-1","choices":[{"message":{"role":"assistant","content":"Hi","reasoning_content":"Hm","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}],"annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t","start_index":0,"end_index":1}}],"thinking_blocks":[{"type":"thinking","signature":"z"}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":9,"completion_tokens":5,"total_tokens":14}}"#,
            for:
                #"{"model":"m","input":"x","instructions":"I","tools":[{"type":"function","name":"f"}],"temperature":0.5}"#
        )
        #expect(member(found, "id") == #""resp_1""# && member(found, "status") == #""completed""#)
        #expect(member(found, "instructions") == #""I""# && member(found, "temperature") == "0.5")
        #expect(member(found, "tools") == #"[{"type":"function","name":"f"}]"# && member(found, "created_at") == "17")
        #expect(member(found, "output", "0", "type") == #""reasoning""#)
        #expect(member(found, "output", "0", "summary", "0", "text") == #""Hm""#)
        #expect(member(found, "output", "1", "content", "0", "annotations", "0", "url") == #""u""#)
        #expect(member(found, "output", "1", "content", "0", "text") == #""Hi""#)
        #expect(member(found, "output", "2", "call_id") == #""c1""# && member(found, "output", "3") == nil)
        #expect(member(found, "output", "2", "extra_content", "google", "thought_signature") == #""s""#)
        #expect(
            member(found, "usage")
                == #"{"input_tokens":9,"input_tokens_details":{"cached_tokens":0},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":14}"#
        )
        // The blocks come back to whom they belong, and to nobody else.
        let sealed = try #require(member(found, "output", "0", "encrypted_content"))
        let next =
            #"{"model":"m","input":[{"type":"reasoning","summary":[],"encrypted_content":\#(sealed)},{"role":"assistant","content":"Hi"}]}"#
        #expect(
            member(String(buffer: try request(next, for: "mistral").chat), "messages", "0", "thinking_blocks")
                == #"[{"type":"thinking","signature":"z"}]"#)
        #expect(
            member(String(buffer: try request(next, for: "anthropic").chat), "messages", "0", "thinking_blocks") == nil)
    }

    @Test(
        "the reason to stop decides on the status",
        arguments: [
            ("stop", "completed", "null"), ("tool_calls", "completed", "null"),
            ("length", "incomplete", #"{"reason":"max_output_tokens"}"#),
            ("content_filter", "incomplete", #"{"reason":"content_filter"}"#),
        ])
    func status(reason: String, status: String, details: String) throws {
        let found = try answer(#"{"choices":[{"message":{"content":"x"},"finish_reason":"\#(reason)"}]}"#)
        #expect(member(found, "status") == "\"\(status)\"" && member(found, "incomplete_details") == details)
        #expect(member(found, "usage") == "null")
    }

    @Test("what is no completion is an error, never an empty answer")
    func noCompletion() throws {
        #expect(throws: GatewayError.self) { try answer("{}") }
        #expect(throws: GatewayError.self) { try answer(#"{"choices":[]}"#) }
        #expect(throws: GatewayError.self) { try answer("nonsense") }
        #expect(try answer(#"{"error":{"message":"no","code":429}}"#) == "failed 429: no")
        #expect(try answer(#"{"error":{"message":"no"}}"#) == "failed 502: no")
    }

    @Test("a stream tells every item from its beginning to its end, numbered, and closes with all of it")
    func events() throws {
        let (events, state) = try stream(chunks)
        #expect(state == .complete)
        #expect(
            events.map(\.type) == [
                "response.created", "response.in_progress", "response.output_item.added",
                "response.reasoning_summary_part.added", "response.reasoning_summary_text.delta",
                "response.reasoning_summary_text.delta", "response.reasoning_summary_text.done",
                "response.reasoning_summary_part.done", "response.output_item.done", "response.output_item.added",
                "response.content_part.added", "response.output_text.delta", "response.output_text.delta",
                "response.output_text.done", "response.content_part.done", "response.output_item.done",
                "response.output_item.added", "response.output_item.added", "response.function_call_arguments.delta",
                "response.function_call_arguments.delta", "response.function_call_arguments.delta",
                "response.function_call_arguments.done", "response.output_item.done",
                "response.function_call_arguments.done", "response.output_item.done", "response.completed",
            ])
        for (index, event) in events.enumerated() {
            #expect(member(event.json, "sequence_number") == String(index))
            #expect(member(event.json, "type") == "\"\(event.type)\"")
        }
        let last = try #require(events.last?.json)
        #expect(member(last, "response", "output", "0", "summary", "0", "text") == #""Hmm.""#)
        #expect(member(last, "response", "output", "1", "content", "0", "text") == #""Wéll then""#)
        #expect(member(last, "response", "output", "2", "arguments") == #""{\"a\":1}""#)
        #expect(member(last, "response", "output", "3", "arguments") == #""{\"b\":2}""#)
        #expect(member(last, "response", "usage", "input_tokens_details", "cached_tokens") == "4")
        #expect(member(last, "response", "id") == #""resp_7""# && member(last, "response", "model") == #""m-1""#)
        // Deltas name the item that was announced.
        #expect(member(events[2].json, "item", "id") == member(events[4].json, "item_id"))
        #expect(member(events[9].json, "item", "id") == member(events[11].json, "item_id"))
    }

    @Test("a stream cut anywhere by the network gives the same events")
    func cutAnywhere() throws {
        let whole = try stream(chunks).events.map(\.json)
        for size in 1...chunks.utf8.count { #expect(try stream(chunks, size: size).events.map(\.json) == whole) }
    }

    @Test("trap: a stream that ends without a reason to stop is not complete, at whatever event it ends")
    func truncated() throws {
        let lines = chunks.split(separator: "\n\n", omittingEmptySubsequences: false).map { $0 + "\n\n" }
        for count in 0..<9 {
            let (events, state) = try stream(lines[..<count].joined())
            #expect(state == .open)
            #expect(!events.contains { $0.type == "response.completed" || $0.type == "response.failed" })
        }
        // Without the closing [DONE] it is.
        let (events, state) = try stream(lines[..<10].joined())
        #expect(state == .complete && events.last?.type == "response.completed")
    }

    @Test("an error in a stream fails the response that was begun, and is nothing but a status before")
    func failed() throws {
        let error = "data: {\"error\":{\"message\":\"Too hot\",\"code\":503}}\n\n"
        let (events, state) = try stream(chunks.split(separator: "\n\n")[0] + "\n\n" + error)
        #expect(events.last?.type == "response.failed")
        #expect(member(events.last!.json, "response", "error", "message") == #""Too hot""#)
        guard case .failed(let failure) = state else {
            Issue.record("not failed")
            return
        }
        #expect(failure.status == 503 && failure.message == "Too hot")
        let early = try stream(error)
        #expect(early.events.isEmpty)
        guard case .failed = early.state else {
            Issue.record("not failed")
            return
        }
    }

    @Test("whatever a provider sends, nothing traps, and a stream ends at most once")
    func garbage() throws {
        var generator = SystemRandomNumberGenerator()
        let original = Array(chunks.utf8)
        for _ in 0..<400 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                let place = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
                case 1: bytes.remove(at: place)
                default: bytes.insert(contentsOf: bytes[place...].prefix(40), at: place)
                }
            }
            let text = String(decoding: bytes, as: UTF8.self)
            let (events, state) = try stream(text, size: 64)
            let ends = events.filter {
                ["response.completed", "response.incomplete", "response.failed"].contains($0.type)
            }
            #expect(ends.count <= 1, "\(text)")
            #expect((state == .complete) == (ends.first.map { $0.type != "response.failed" } ?? false), "\(text)")
            for event in events {
                var json = event.json
                #expect(json.withUTF8 { JSONScan.validate(UnsafeRawBufferPointer($0)) }, "\(event.json)")
            }
        }
    }
}
