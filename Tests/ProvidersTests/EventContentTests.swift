import Providers
import Testing

private func isSaid(_ name: String = "", _ data: String) -> Bool {
    var name = name
    var data = data
    return name.withUTF8 { name in
        data.withUTF8 { EventContent.isSaid(UnsafeRawBufferPointer(name), UnsafeRawBufferPointer($0)) }
    }
}

@Suite struct EventContentTests {
    @Test(
        "an event that only announces says nothing",
        arguments: [
            ("ping", #"{"type": "ping"}"#),
            ("message_start", #"{"type":"message_start","message":{"usage":{"input_tokens":9}}}"#),
            ("content_block_start", #"{"type":"content_block_start","index":0}"#),
            ("response.created", #"{"type":"response.created"}"#),
            ("response.in_progress", "{}"), ("response.output_item.added", "{}"),
            ("response.content_part.added", "{}"), ("response.queued", "{}"),
            ("messageStart", #"{"role":"assistant"}"#), ("contentBlockStart", "{}"),
            ("", ""),
            ("", #"{"choices":[{"index":0,"delta":{"role":"assistant"},"finish_reason":null}]}"#),
            ("", #"{"choices":[{"delta":{"role":"assistant","content":"","refusal":null}}]}"#),
            ("", #"{"choices":[{"delta":{}}]}"#),
            ("message-start", #"{"id":"c","type":"message-start"}"#),
            ("content-start", #"{"type":"content-start","delta":{"message":{"content":{"type":"text","text":""}}}}"#),
            ("", #"{"usageMetadata":{"promptTokenCount":3},"modelVersion":"g"}"#),
            ("", #"{"candidates":[{"content":{"role":"model"}}],"usageMetadata":{"promptTokenCount":3}}"#),
        ])
    func announcements(_ name: String, _ data: String) {
        #expect(!isSaid(name, data))
    }

    @Test(
        "content, a call, an end, an error and anything unknown say something",
        arguments: [
            ("", #"{"choices":[{"delta":{"role":"assistant","content":"Hi"}}]}"#),
            ("", #"{"choices":[{"delta":{"reasoning_content":"Hm"}}]}"#),
            ("", #"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c"}]}}]}"#),
            ("", #"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#),
            ("", #"{"choices":[{"text":"Hi"}]}"#),
            ("", #"{"choices":[],"usage":{"prompt_tokens":1}}"#),
            ("", #"{"error":{"message":"overloaded"}}"#),
            ("error", #"{"type":"error","error":{"type":"overloaded_error"}}"#),
            ("content_block_delta", #"{"delta":{"type":"text_delta","text":"Hi"}}"#),
            ("response.output_text.delta", #"{"delta":"Hi"}"#), ("response.failed", "{}"),
            ("", #"{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}]}"#),
            ("", #"{"candidates":[{"content":{"parts":[{"text":"Hi"}]}}],"usageMetadata":{"promptTokenCount":3}}"#),
            ("", #"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3}}"#),
            ("", #"{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}"#),
            ("", #"{"error":{"code":429},"usageMetadata":{}}"#), ("content-delta", "{}"), ("message-end", "{}"),
            ("contentBlockDelta", "{}"), ("messageStop", "{}"), ("exception:throttlingException", ""),
            ("", "[DONE]"), ("", "not JSON"), ("pinging", "{}"),
        ])
    func content(_ name: String, _ data: String) {
        #expect(isSaid(name, data))
    }
}
