import GatewayCore
import NIOCore
import Providers
import Testing

@Suite("Sandbox")
struct SandboxScriptTests {
    private func answer(_ body: String, method: String = "POST", path: String = "/v1/chat/completions") -> SandboxScript
    {
        SandboxScript(
            SandboxScript.Call(
                method: method, path: path, body: ByteBuffer(string: body), now: Instant(milliseconds: 5_000), id: "1"))
    }

    private func steps(_ script: SandboxScript) -> (status: Int, isStream: Bool, payloads: [String], isCut: Bool) {
        guard case .reply(let status, _, let isStream, let steps) = script.answer else { return (0, false, [], false) }
        var payloads: [String] = []
        var isCut = false
        for step in steps {
            switch step {
            case .payload(let bytes): payloads.append(String(buffer: bytes))
            case .cut: isCut = true
            case .wait: break
            }
        }
        return (status, isStream, payloads, isCut)
    }

    private func chat(_ model: String, stream: Bool = false, options: String = "") -> String {
        #"{"model":"\#(model)","stream":\#(stream)\#(options),"messages":[{"role":"system","content":"be kind"},"#
            + #"{"role":"user","content":[{"type":"text","text":"Hello big  world"}]}]}"#
    }

    @Test("echoes the last user message and reports usage")
    func echo() {
        let (status, isStream, payloads, _) = steps(answer(chat("echo")))
        #expect(status == 200 && !isStream && payloads.count == 1)
        #expect(payloads[0].contains(#""content":"Hello big  world""#))
        #expect(payloads[0].contains(#""usage":{"prompt_tokens":5,"completion_tokens":3,"total_tokens":8}"#))
    }

    @Test("streams word by word, with usage only when asked, and ends with [DONE]")
    func stream() {
        let plain = steps(answer(chat("sandbox/echo", stream: true))).payloads
        #expect(plain.count == 6)
        #expect(plain.last == "data: [DONE]\n\n")
        #expect(!plain.contains { $0.contains("prompt_tokens") })
        let asked = steps(
            answer(chat("echo", stream: true, options: #","stream_options":{"include_usage":true}"#))
        ).payloads
        #expect(asked.count == 7)
        #expect(asked[5].contains(#""choices":[],"usage":{"prompt_tokens":5"#))
    }

    @Test("obeys its model names")
    func models() {
        #expect(answer(chat("slow-250")).delay == .milliseconds(250))
        #expect(steps(answer(chat("status-503"))).status == 503)
        #expect(steps(answer(chat("status-200"))).status == 200)
        #expect(steps(answer(chat("status-99"))).status == 404)
        #expect(steps(answer(chat("tokens-7"))).payloads[0].contains(#""completion_tokens":7"#))
        let cut = steps(answer(chat("cut-2", stream: true)))
        #expect(cut.payloads.count == 2 && cut.isCut)
        let half = steps(answer(chat("cut-2")))
        #expect(half.payloads.count == 1 && half.isCut)
        if case .silence = answer(chat("hang")).answer {} else { Issue.record("hang answered") }
        #expect(steps(answer(chat("nothing"))).status == 404)
    }

    @Test(
        "answers what it cannot read with an error of its own",
        arguments: ["", "[]", "{}", #"{"model":"echo"}"#, #"{"model":5,"messages":[]}"#])
    func unreadable(body: String) {
        #expect(steps(answer(body)).status == 400)
    }

    @Test("knows its models and no other path")
    func paths() {
        #expect(steps(answer("", method: "GET", path: "/v1/models")).status == 200)
        #expect(steps(answer("", method: "GET", path: "/v1/files")).status == 404)
        #expect(steps(answer("", method: "GET")).status == 404)
    }
}
