import NIOCore
import WireFormats

/// The response object of the Responses API, gathered from a chat.
struct ResponsesAnswer: Sendable {
    /// Why a chat ended, in the words of Responses.
    enum Status: Sendable, Equatable {
        case inProgress
        case completed
        case incomplete(reason: StaticString)
        case failed(message: String, code: String?)

        static func == (left: Status, right: Status) -> Bool { left.word.description == right.word.description }

        /// The status that a chat's reason to stop stands for.
        init(finish: String?) {
            switch finish {
            case "length": self = .incomplete(reason: "max_output_tokens")
            case "content_filter": self = .incomplete(reason: "content_filter")
            default: self = .completed
            }
        }

        var word: StaticString {
            switch self {
            case .inProgress: "in_progress"
            case .completed: "completed"
            case .incomplete: "incomplete"
            case .failed: "failed"
            }
        }
    }

    let echo: ResponsesEcho
    /// Behind the prefix of every id in the answer.
    var stem = ""
    var model = ""
    var created = 0
    var status = Status.inProgress
    var items: [ResponsesItem] = []
    /// JSON text; nil: the provider did not say.
    var usage: String?

    init(_ echo: ResponsesEcho) { self.echo = echo }

    /// Takes what every chat and every chunk says of itself.
    mutating func identify(_ chat: JSONView) {
        guard stem.isEmpty else { return }
        let id = chat.member("id")?.string ?? ""
        stem = id.hasPrefix("chatcmpl-") ? String(id.dropFirst("chatcmpl-".count)) : id
        created = chat.member("created")?.int ?? created
        if stem.isEmpty { stem = String(created) }
        model = chat.member("model")?.string ?? model
    }

    mutating func take(usage view: JSONView?) {
        guard let view, view.kind == .object else { return }
        var out = JSONWriter()
        out.beginObject()
        func count(_ key: StaticString, _ value: Int?) {
            out.key(key)
            out.int(value ?? 0)
        }
        let input = view.member("prompt_tokens")?.int
        let output = view.member("completion_tokens")?.int
        guard input != nil || output != nil else { return }
        count("input_tokens", input)
        out.key("input_tokens_details")
        out.beginObject()
        let read = view.member("prompt_tokens_details")
        count("cached_tokens", read?.member("cached_tokens")?.int)
        if let written = read?.member("cache_write_tokens")?.int { count("cache_write_tokens", written) }
        out.endObject()
        count("output_tokens", output)
        out.key("output_tokens_details")
        out.beginObject()
        count("reasoning_tokens", view.member("completion_tokens_details")?.member("reasoning_tokens")?.int)
        out.endObject()
        count("total_tokens", view.member("total_tokens")?.int ?? (input ?? 0) + (output ?? 0))
        out.endObject()
        usage = String(buffer: out.buffer)
    }

    func write(into out: inout JSONWriter) {
        out.beginObject()
        out.key("id")
        out.string("resp_" + stem)
        out.key("object")
        out.string("response")
        out.key("created_at")
        out.int(created)
        out.key("status")
        out.string(status.word.description)
        out.key("error")
        if case .failed(let message, let code) = status {
            out.beginObject()
            out.key("code")
            out.string(code ?? "server_error")
            out.key("message")
            out.string(message)
            out.endObject()
        } else {
            out.null()
        }
        out.key("incomplete_details")
        if case .incomplete(let reason) = status {
            out.beginObject()
            out.key("reason")
            out.string(reason.description)
            out.endObject()
        } else {
            out.null()
        }
        out.key("model")
        out.string(model)
        out.key("output")
        out.beginArray()
        for item in items { item.write(into: &out) }
        out.endArray()
        echo.write(into: &out)
        out.key("usage")
        if let usage { out.raw(usage) } else { out.null() }
        out.endObject()
    }
}

extension ResponsesAnswer {
    /// A whole chat completion; nil when it has no message.
    ///
    /// - Parameter provider: whose blocks of thought these are.
    init?(_ chat: JSONView, _ echo: ResponsesEcho, by provider: String) {
        guard let choice = chat.member("choices")?.firstElement, let message = choice.member("message") else {
            return nil
        }
        self.init(echo)
        identify(chat)
        status = Status(finish: choice.member("finish_reason")?.string)
        take(usage: chat.member("usage"))
        var blocks: [String] = []
        message.member("thinking_blocks")?.forEachElement { blocks.append(String(decoding: $0.bytes, as: UTF8.self)) }
        let thoughts = (message.member("reasoning_content") ?? message.member("reasoning"))?.string ?? ""
        if !thoughts.isEmpty || !blocks.isEmpty {
            var item = ResponsesItem(id: "rs_" + stem, kind: .reasoning, status: .complete, text: thoughts)
            item.sealed = ResponsesReasoning.sealed(blocks, by: provider, model)
            items.append(item)
        }
        var calls: [ResponsesItem] = []
        message.member("tool_calls")?.forEachElement { call in
            let function = call.member("function")
            let kind = ResponsesItem.Kind.call(
                id: call.member("id")?.string ?? "", name: function?.member("name")?.string ?? "")
            var item = ResponsesItem(id: "fc_\(stem)_\(calls.count)", kind: kind, status: .complete)
            item.text = function?.member("arguments")?.string ?? "{}"
            item.extra = call.member("extra_content").map { String(decoding: $0.bytes, as: UTF8.self) }
            calls.append(item)
        }
        let text = message.member("content")?.string ?? ""
        let refusal = message.member("refusal")?.string ?? ""
        if !text.isEmpty || !refusal.isEmpty || calls.isEmpty {
            var item = ResponsesItem(id: "msg_" + stem, kind: .message, status: .complete, text: text)
            item.refusal = refusal
            message.member("annotations")?.forEachElement { item.annotations.append(ResponsesItem.annotation($0)) }
            items.append(item)
        }
        items.append(contentsOf: calls)
        if case .incomplete = status, !items.isEmpty { items[items.count - 1].status = .cut }
    }
}
