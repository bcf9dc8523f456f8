import GatewayCore
import NIOCore
import WireFormats

/// Reads a whole Messages answer (providers.md §7.2).
enum AnthropicReply {
    /// The answer in OpenAI's terms; nil when it is no Messages object.
    static func read(_ view: JSONView, _ terms: ChatTerms) -> ChatCompletion? {
        guard let content = view.member("content"), content.kind == .array else { return nil }
        var completion = ChatCompletion()
        completion.id = view.member("id")?.string ?? ""
        completion.model = view.member("model")?.string ?? ""
        var choice = ChatChoice()
        choice.finish = AnthropicChat.finish(view.member("stop_reason"))
        content.forEachElement { read(block: $0, terms, into: &choice) }
        if choice.finish == .contentFilter {
            choice.refusal = refusal(in: view)
        }
        completion.choices = [choice]
        if let usage = view.member("usage") {
            var tally = UsageTally()
            AnthropicUsage.read(usage, &tally)
            tally.usage.normalize()
            completion.usage = tally.usage
            completion.serviceTier = tier(tally.usage.serviceTier)
        }
        return completion
    }

    /// What a model says of its refusal, where an answer or its last event tells why it ended.
    static func refusal(in view: JSONView) -> String? { view.member("stop_details")?.member("explanation")?.string }

    private static func tier(_ name: String?) -> String? { name == "standard" ? "default" : name }

    private static func read(block: JSONView, _ terms: ChatTerms, into choice: inout ChatChoice) {
        switch block.member("type")?.string {
        case "text":
            let start = choice.textLength
            choice.append(text: block.member("text")?.string ?? "")
            let end = choice.textLength
            block.member("citations")?.forEachElement { citation in
                guard choice.annotations.count < URLCitation.limit else { return }
                if let page = Self.citation(citation, start..<end) { choice.annotations.append(page.json) }
            }
        case "tool_use":
            let name = block.member("name")?.string ?? ""
            let input = block.member("input").map { String(decoding: $0.bytes, as: UTF8.self) } ?? "{}"
            if name == terms.outputTool {
                choice.append(text: input)
            } else {
                choice.calls.append(ChatCall(id: block.member("id")?.string ?? "", name: name, arguments: input))
            }
        case "thinking":
            choice.reasoning += block.member("thinking")?.string ?? ""
            if let block = ThinkingBlock(block) { choice.thinking.append(block) }
        case "redacted_thinking": if let block = ThinkingBlock(block) { choice.thinking.append(block) }
        default: break
        }
    }

    /// A citation of a page; nil for one of something else.
    ///
    /// - Parameter range: the text that it supports; nil while that is not known.
    static func citation(_ view: JSONView, _ range: Range<Int>?) -> URLCitation? {
        guard let url = view.member("url")?.string else { return nil }
        return URLCitation(url: url, title: view.member("title")?.string, range: range)
    }
}
