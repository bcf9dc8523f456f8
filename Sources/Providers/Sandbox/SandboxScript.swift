package import GatewayCore
package import NIOCore
import WireFormats

/// What the built-in provider `sandbox` answers to one request, as data: bytes, waits and breaks in order.
///
/// - Source: contract.md, "Built-in provider `sandbox`".
package struct SandboxScript: Sendable {
    package enum Step: Sendable {
        case wait(Duration)
        /// Payload of one event or of a whole answer.
        case payload(ByteBuffer)
        /// The connection breaks here.
        case cut
    }

    package enum Answer: Sendable {
        case reply(status: Int, contentType: StaticString, isStream: Bool, steps: [Step])
        /// Nothing ever comes.
        case silence
    }

    package var delay: Duration
    package var answer: Answer

    /// Most tokens and events that a model name can ask for.
    package static let countLimit = 10_000
    /// Longest `slow-MS`.
    package static let delayLimit = Duration.seconds(600)

    /// What is asked of the sandbox.
    package struct Call: Sendable {
        package var method: String
        /// Without query.
        package var path: String
        package var body: ByteBuffer
        package var now: Instant
        /// Becomes the answer's `id`.
        package var id: String

        package init(method: String, path: String, body: ByteBuffer, now: Instant, id: String) {
            self.method = method
            self.path = path
            self.body = body
            self.now = now
            self.id = id
        }
    }

    package init(_ call: Call) {
        delay = .zero
        switch (call.method, call.path) {
        case ("POST", "/v1/chat/completions"): (delay, answer) = Self.chat(call)
        case ("GET", "/v1/models"): answer = Self.models()
        default:
            answer = Self.problem(404, "The sandbox has no \(call.method) \(call.path)", code: "unknown_path")
        }
    }

    private static let modelNames = ["echo", "slow-1000", "status-500", "tokens-100", "cut-3", "hang"]

    private static func models() -> Answer {
        let rows = modelNames.map { #"{"id":"\#($0)","object":"model","created":0,"owned_by":"sandbox"}"# }
        return whole(200, #"{"object":"list","data":[\#(rows.joined(separator: ","))]}"#)
    }

    private static func chat(_ call: Call) -> (Duration, Answer) {
        let request: ChatRequest? = call.body.withUnsafeReadableBytes { ChatRequest($0) }
        guard let request else {
            return (.zero, problem(400, "The body is no chat completion request", code: "invalid_body"))
        }
        let name = request.model.hasPrefix("sandbox/") ? String(request.model.dropFirst(8)) : request.model
        func number(after prefix: String) -> Int? {
            guard name.hasPrefix(prefix) else { return nil }
            return Int(name.dropFirst(prefix.count)).flatMap { $0 >= 0 ? $0 : nil }
        }
        if name == "echo" { return (.zero, completion(call, request, text: request.echo)) }
        if name == "hang" { return (.zero, .silence) }
        if let milliseconds = number(after: "slow-") {
            let delay = min(Duration.milliseconds(milliseconds), delayLimit)
            return (delay, completion(call, request, text: request.echo))
        }
        if let status = number(after: "status-"), (200...599).contains(status) {
            if status < 300 { return (.zero, completion(call, request, text: request.echo)) }
            return (.zero, problem(status, "The sandbox was asked for status \(status)", code: "status_\(status)"))
        }
        if let count = number(after: "tokens-"), count <= countLimit {
            let words = (0..<count).map { $0 == 0 ? "token" : " token" }
            return (.zero, completion(call, request, words: words))
        }
        if let count = number(after: "cut-"), count <= countLimit {
            return (.zero, cut(completion(call, request, text: request.echo), after: count))
        }
        return (.zero, problem(404, "The sandbox has no model '\(name)'", code: "model_not_found"))
    }

    /// Pieces of a text that join to it again; each counts as one token.
    static func words(_ text: String) -> [String] {
        var pieces: [String] = []
        var piece = ""
        var hasInk = false
        for character in text {
            if character.isWhitespace, hasInk {
                pieces.append(piece)
                piece = ""
                hasInk = false
            }
            piece.append(character)
            if !character.isWhitespace { hasInk = true }
        }
        if !piece.isEmpty { pieces.append(piece) }
        return pieces
    }

    private static func completion(_ call: Call, _ request: ChatRequest, text: String) -> Answer {
        completion(call, request, words: words(text))
    }

    private static func completion(_ call: Call, _ request: ChatRequest, words: [String]) -> Answer {
        let created = call.now.milliseconds / 1000
        let id = "chatcmpl-\(call.id)"
        let model = JSONPatch.quoted(request.model)
        let usage =
            #"{"prompt_tokens":\#(request.promptTokens),"completion_tokens":\#(words.count),"#
            + #""total_tokens":\#(request.promptTokens + words.count)}"#
        guard request.isStream else {
            let text = JSONPatch.quoted(words.joined())
            return whole(
                200,
                #"{"id":"\#(id)","object":"chat.completion","created":\#(created),"model":\#(model),"choices":[{"#
                    + #""index":0,"message":{"role":"assistant","content":\#(text),"refusal":null},"#
                    + #""logprobs":null,"finish_reason":"stop"}],"usage":\#(usage)}"#
            )
        }
        let head = #"{"id":"\#(id)","object":"chat.completion.chunk","created":\#(created),"model":\#(model),"#
        let noUsage = request.includesUsage ? #","usage":null"# : ""
        func event(_ delta: String, finish: String) -> Step {
            data(
                head + #""choices":[{"index":0,"delta":\#(delta),"logprobs":null,"finish_reason":\#(finish)}]"#
                    + noUsage + "}"
            )
        }
        var steps = [event(#"{"role":"assistant","content":""}"#, finish: "null")]
        steps += words.map { event(#"{"content":\#(JSONPatch.quoted($0))}"#, finish: "null") }
        steps.append(event("{}", finish: #""stop""#))
        if request.includesUsage { steps.append(data(head + #""choices":[],"usage":\#(usage)}"#)) }
        steps.append(data("[DONE]"))
        return .reply(status: 200, contentType: "text/event-stream", isStream: true, steps: steps)
    }

    private static func cut(_ answer: Answer, after count: Int) -> Answer {
        guard case .reply(let status, let type, let isStream, let steps) = answer else { return answer }
        if isStream {
            return .reply(status: status, contentType: type, isStream: true, steps: steps.prefix(count) + [.cut])
        }
        guard case .payload(let bytes)? = steps.first,
            let half = bytes.getSlice(at: bytes.readerIndex, length: bytes.readableBytes / 2)
        else { return answer }
        return .reply(status: status, contentType: type, isStream: false, steps: [.payload(half), .cut])
    }

    private static func data(_ json: String) -> Step { .payload(ByteBuffer(string: "data: \(json)\n\n")) }

    private static func whole(_ status: Int, _ json: String) -> Answer {
        .reply(
            status: status, contentType: "application/json", isStream: false,
            steps: [.payload(ByteBuffer(string: json))]
        )
    }

    private static func problem(_ status: Int, _ message: String, code: String) -> Answer {
        let type = status < 500 ? "invalid_request_error" : "server_error"
        return whole(
            status,
            #"{"error":{"message":\#(JSONPatch.quoted(message)),"type":"\#(type)","param":null,"code":"\#(code)"}}"#
        )
    }
}

/// The parts of a chat completion request that the sandbox reacts to.
private struct ChatRequest {
    var model: String
    var isStream: Bool
    var includesUsage: Bool
    /// Text of the last user message.
    var echo: String
    /// Words in all messages; at least one.
    var promptTokens: Int

    init?(_ bytes: UnsafeRawBufferPointer) {
        guard JSONScan.validate(bytes) else { return nil }
        let view = JSONView(bytes)
        guard view.kind == .object, let model = view.member("model")?.string,
            let messages = view.member("messages"), messages.kind == .array
        else { return nil }
        self.model = model
        isStream = view.member("stream")?.bool ?? false
        includesUsage = view.member("stream_options")?.member("include_usage")?.bool ?? false
        var last = ""
        var count = 0
        messages.forEachElement { message in
            let text = message.member("content").map(Self.text) ?? ""
            count += SandboxScript.words(text).count
            if message.member("role")?.string == "user" { last = text }
        }
        echo = last
        promptTokens = max(count, 1)
    }

    /// The text of a content that is a string or an array of parts.
    private static func text(_ content: JSONView) -> String {
        if let text = content.string { return text }
        var parts: [String] = []
        if content.kind == .array {
            content.forEachElement { part in
                if let text = part.member("text")?.string { parts.append(text) }
            }
        }
        return parts.joined(separator: "\n")
    }
}
