/// Whose format an answer is in.
enum Dialect: CaseIterable {
    case openAI, anthropic, gemini

    /// Texts of a whole answer's body before and behind the words.
    var wholeParts: (start: String, end: String) {
        switch self {
        case .openAI:
            (
                """
                {"id":"chatcmpl-0123456789","object":"chat.completion","created":1763834400,"model":"gpt-4o-mini",\
                "choices":[{"index":0,"message":{"role":"assistant","content":"
                """,
                """
                "},"logprobs":null,"finish_reason":"stop"}],\
                "usage":{"prompt_tokens":128,"completion_tokens":64,"total_tokens":192,\
                "prompt_tokens_details":{"cached_tokens":0}},"system_fingerprint":"fp_0123456789"}
                """
            )
        case .anthropic:
            (
                """
                {"id":"msg_0123456789","type":"message","role":"assistant","model":"claude-sonnet-4-5",\
                "content":[{"type":"text","text":"
                """,
                """
                "}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":128,\
                "cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":64,\
                "service_tier":"standard"}}
                """
            )
        case .gemini:
            (
                #"{"candidates":[{"content":{"parts":[{"text":""#,
                """
                "}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":128,\
                "candidatesTokenCount":64,"totalTokenCount":192},"modelVersion":"gemini-2.5-flash",\
                "responseId":"0123456789"}
                """
            )
        }
    }

    /// The events of a stream, without the empty line behind each.
    func events(_ count: Int) -> [String] {
        switch self {
        case .openAI: Self.openAIEvents(count)
        case .anthropic: Self.anthropicEvents(count)
        case .gemini: Self.geminiEvents(count)
        }
    }

    private static func openAIEvents(_ count: Int) -> [String] {
        let start = """
            data: {"id":"chatcmpl-0123456789","object":"chat.completion.chunk","created":1763834400,\
            "model":"gpt-4o-mini","choices":[
            """
        func choice(_ delta: String, finish: String = "null") -> String {
            start + "{\"index\":0,\"delta\":\(delta),\"finish_reason\":\(finish)}]}"
        }
        var events = [choice(#"{"role":"assistant","content":""}"#)]
        // The first, the finish, the usage and [DONE] are the other four.
        events += (0..<(count - 4)).map { choice("{\"content\":\"word \($0) \"}") }
        events.append(choice("{}", finish: #""stop""#))
        events.append(start + #"],"usage":{"prompt_tokens":128,"completion_tokens":46,"total_tokens":174}}"#)
        events.append("data: [DONE]")
        return events
    }

    private static func anthropicEvents(_ count: Int) -> [String] {
        func event(_ name: String, _ rest: String) -> String {
            "event: \(name)\ndata: {\"type\":\"\(name)\"\(rest)}"
        }
        var events = [
            event(
                "message_start",
                """
                ,"message":{"id":"msg_0123456789","type":"message","role":"assistant","model":"claude-sonnet-4-5",\
                "content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":128,"output_tokens":1}}
                """
            ),
            event("content_block_start", #","index":0,"content_block":{"type":"text","text":""}"#),
        ]
        // The first two and the last three are the other five.
        events += (0..<(count - 5)).map {
            event("content_block_delta", ",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"word \($0) \"}")
        }
        events.append(event("content_block_stop", #","index":0"#))
        events.append(
            event(
                "message_delta",
                #","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":46}"#
            )
        )
        events.append(event("message_stop", ""))
        return events
    }

    private static func geminiEvents(_ count: Int) -> [String] {
        func chunk(_ text: String, finish: String) -> String {
            """
            data: {"candidates":[{"content":{"parts":[{"text":"\(text)"}],"role":"model"}\(finish),"index":0}],\
            "usageMetadata":{"promptTokenCount":128,"candidatesTokenCount":46,"totalTokenCount":174},\
            "modelVersion":"gemini-2.5-flash","responseId":"0123456789"}
            """
        }
        return (0..<(count - 1)).map { chunk("word \($0) ", finish: "") } + [
            chunk("", finish: #","finishReason":"STOP""#)
        ]
    }
}
