import Providers
import Testing

private func status(_ name: String, _ data: String) -> Int? {
    var name = name
    var data = data
    return name.withUTF8 { name in
        data.withUTF8 { StreamFailure(UnsafeRawBufferPointer(name), UnsafeRawBufferPointer($0))?.status }
    }
}

@Suite struct StreamFailureTests {
    @Test(
        "an error in a stream has the status of its kind, in every dialect",
        arguments: [
            ("", #"{"error":{"message":"no","type":"server_error","code":null}}"#, 500),
            ("", #"{"error":{"message":"no","type":"tokens","code":"rate_limit_exceeded"}}"#, 429),
            ("", #"{"error":{"message":"no","code":503}}"#, 503),
            ("", #"{"error":{"message":"no","code":"422"}}"#, 422),
            ("", #"{"choices":[],"error":{"message":"no"}}"#, 502),
            ("", #"{"error":"overloaded"}"#, 502),
            ("error", #"{"type":"error","error":{"type":"overloaded_error","message":"busy"}}"#, 529),
            ("", #"{"type":"error","error":{"type":"invalid_request_error"}}"#, 400),
            ("error", #"{"type":"error","code":"server_error","message":"no"}"#, 500),
            ("response.failed", #"{"response":{"error":{"code":"rate_limit_exceeded","message":"no"}}}"#, 429),
            ("response.failed", "{}", 502),
            ("", #"{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}"#, 503),
            ("", #"{"error":{"message":"busy","status":"RESOURCE_EXHAUSTED"}}"#, 429),
            ("exception:throttlingException", #"{"message":"slow down"}"#, 429),
            ("exception:modelStreamErrorException", "{}", 424),
            ("exception:surprise", "{}", 502),
            ("message-end", #"{"type":"message-end","delta":{"finish_reason":"ERROR","error":"no"}}"#, 502),
            ("error", #"{"type":"error","title":"no","status_code":402,"error_code":"x"}"#, 402),
            ("error", "text alone", 502),
        ])
    func failures(_ name: String, _ data: String, _ expected: Int) {
        #expect(status(name, data) == expected)
    }

    @Test(
        "an event without an error of its own tells of none",
        arguments: [
            ("", #"{"choices":[{"delta":{"content":"\"error\":{}"}}],"error":null}"#),
            ("", #"{"choices":[{"delta":{"content":"x"}}],"error":{}}"#),
            ("", #"{"choices":[{"delta":{"content":"x"}}],"error":""}"#),
            ("", #"{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"error":"no"}}}]}}]}"#),
            ("message-end", #"{"type":"message-end","delta":{"finish_reason":"COMPLETE"}}"#),
            ("response.completed", #"{"response":{"error":null}}"#), ("", "[DONE]"), ("", ""), ("", "not JSON"),
        ])
    func others(_ name: String, _ data: String) {
        #expect(status(name, data) == nil)
    }
}
