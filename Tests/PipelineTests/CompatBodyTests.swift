import GatewayCore
import NIOCore
import Testing

@testable import Pipeline

@Suite("Compat bodies")
struct CompatBodyTests {
    @Test("only the model's bytes change, whatever else the body holds")
    func modelOnly() throws {
        let text =
            "{ \"messages\" : [{\"model\":\"inner\"}], \"model\" :\t\"groq/a/b\" ,\"x\":1.50e3, \"\\u0075\":null}"
        let body = try CompatBody.read(ByteBuffer(string: text))
        #expect(body.model == "groq/a/b")
        #expect(!body.isStream)
        #expect(
            String(buffer: try body.rewritten(model: "a/b", .modelOnly))
                == text.replacingFirst("\"groq/a/b\"", "\"a/b\""))
    }

    @Test("usage is asked for without touching other stream options")
    func usageOption() throws {
        let plain = try CompatBody.read(ByteBuffer(string: #"{"model":"openai/m","stream":true}"#))
        #expect(plain.isStream && !plain.includesUsage)
        #expect(
            String(buffer: try plain.rewritten(model: "m", .addUsageOption))
                == #"{"model":"m","stream_options":{"include_usage":true},"stream":true}"#)
        let options = try CompatBody.read(
            ByteBuffer(string: #"{"stream_options":{"include_usage":false,"x":[1]},"model":"openai/m","stream":true}"#))
        #expect(
            String(buffer: try options.rewritten(model: "m", .addUsageOption))
                == #"{"stream_options":{"include_usage":true,"x":[1]},"model":"m","stream":true}"#)
        let asked = try CompatBody.read(
            ByteBuffer(string: #"{"model":"openai/m","stream":true,"stream_options":{"include_usage":true}}"#))
        #expect(asked.includesUsage)
        let null = try CompatBody.read(ByteBuffer(string: #"{"model":"openai/m","stream":true,"stream_options":null}"#))
        #expect(
            String(buffer: try null.rewritten(model: "m", .addUsageOption))
                == #"{"model":"m","stream":true,"stream_options":{"include_usage":true}}"#)
    }

    @Test(
        "without one usable model are refused with 2019",
        arguments: [
            "", "[]", "{", #"{"messages":[]}"#, #"{"model":5}"#, #"{"model":""}"#, #"{"model":"a/b","model":"c/d"}"#,
            #"{"model":"a/b"} x"#, #"{"model":null}"#, "nope", #"{"model":"a/b",}"#,
        ])
    func refusals(text: String) {
        do {
            _ = try CompatBody.read(ByteBuffer(string: text))
            Issue.record("accepted \(text)")
        } catch {
            #expect(error.kind == .badChatCompletion)
        }
    }

    @Test("escapes in the model are read and written")
    func escapes() throws {
        let body = try CompatBody.read(ByteBuffer(string: #"{"model":"openai\/g\u0070t\"x"}"#))
        #expect(body.model == "openai/gpt\"x")
        #expect(String(buffer: try body.rewritten(model: "gpt\"x", .modelOnly)) == #"{"model":"gpt\"x"}"#)
    }
}

extension String {
    fileprivate func replacingFirst(_ part: String, _ other: String) -> String {
        guard let range = firstRange(of: part) else { return self }
        return self[..<range.lowerBound] + other + self[range.upperBound...]
    }
}
