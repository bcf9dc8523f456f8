import GatewayCore
import NIOCore
import WireFormats

/// Reads a whole Converse answer (providers.md §9.2).
enum BedrockReply {
    /// The answer in OpenAI's terms; nil when it is no Converse object.
    static func read(_ view: JSONView, _ terms: ChatTerms) -> ChatCompletion? {
        guard let content = view.member("output")?.member("message")?.member("content"), content.kind == .array else {
            return nil
        }
        var choice = ChatChoice()
        content.forEachElement { read(block: $0, terms, into: &choice) }
        choice.finish = BedrockChat.finish(view.member("stopReason"))
        var completion = ChatCompletion()
        completion.id = terms.answerID
        completion.model = terms.model
        completion.choices = [choice]
        if let usage = view.member("usage") {
            var tally = UsageTally()
            BedrockUsage.read(usage, &tally)
            tally.usage.normalize()
            completion.usage = tally.usage
        }
        completion.serviceTier = view.member("serviceTier")?.member("type")?.string
        return completion
    }

    private static func read(block: JSONView, _ terms: ChatTerms, into choice: inout ChatChoice) {
        if let text = block.member("text")?.string {
            choice.append(text: text)
        } else if let call = block.member("toolUse") {
            // What the provider's own tools are called with is no call of the client's.
            if call.member("type")?.string == "server_tool_use" { return }
            let name = call.member("name")?.string ?? ""
            let input = call.member("input").map { String(decoding: $0.bytes, as: UTF8.self) } ?? "{}"
            if name == terms.outputTool {
                choice.append(text: input)
            } else {
                choice.calls.append(
                    ChatCall(id: call.member("toolUseId")?.string ?? "", name: name, arguments: input)
                )
            }
        } else if let reasoning = block.member("reasoningContent") {
            choice.reasoning += reasoning.member("reasoningText")?.member("text")?.string ?? ""
            if let thought = ThinkingBlock(block) { choice.thinking.append(thought) }
        } else if let cited = block.member("citationsContent") {
            let start = choice.textLength
            cited.member("content")?.forEachElement { choice.append(text: $0.member("text")?.string ?? "") }
            let end = choice.textLength
            cited.member("citations")?.forEachElement { citation in
                guard choice.annotations.count < URLCitation.limit else { return }
                choice.annotations.append(annotation(citation, start..<end))
            }
        }
    }

    /// A source as one of OpenAI's annotations; pages of the web as OpenAI has them.
    ///
    /// - Parameter range: the text that it supports; nil where that is not known yet.
    static func annotation(_ citation: JSONView, _ range: Range<Int>?) -> String {
        let title = citation.member("title")?.string
        if let url = citation.member("location")?.member("web")?.member("url")?.string {
            return URLCitation(url: url, title: title, range: range).json
        }
        var out = JSONWriter()
        out.beginObject()
        out.key("type")
        out.string("bedrock_citation")
        out.key("bedrock_citation")
        out.beginObject()
        if let title {
            out.key("title")
            out.string(title)
        }
        if let source = citation.member("source")?.string {
            out.key("source")
            out.string(source)
        }
        var texts: [String] = []
        citation.member("sourceContent")?.forEachElement { part in
            if let text = part.member("text")?.string { texts.append(text) }
        }
        if !texts.isEmpty {
            out.key("text")
            out.string(texts.joined(separator: "\n"))
        }
        if let range {
            out.key("start_index")
            out.int(range.lowerBound)
            out.key("end_index")
            out.int(range.upperBound)
        }
        out.endObject()
        out.endObject()
        return String(buffer: out.buffer)
    }
}
