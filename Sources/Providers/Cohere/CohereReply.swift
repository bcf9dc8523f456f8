import GatewayCore
import NIOCore
import WireFormats

/// Reads a whole answer of Cohere's chat API (providers.md §10.2).
enum CohereReply {
    /// The answer in OpenAI's terms; nil when it is none.
    static func read(_ view: JSONView, _ finish: ChatFinish?, _ terms: ChatTerms) -> ChatCompletion? {
        guard let message = view.member("message"), message.kind == .object else { return nil }
        var choice = ChatChoice()
        message.member("content")?.forEachElement { part in
            switch part.member("type")?.string {
            case "text": choice.append(text: part.member("text")?.string ?? "")
            case "thinking": choice.reasoning += part.member("thinking")?.string ?? ""
            default: break
            }
        }
        choice.reasoning += message.member("tool_plan")?.string ?? ""
        message.member("tool_calls")?.forEachElement { call in
            let function = call.member("function")
            choice.calls.append(
                ChatCall(
                    id: call.member("id")?.string ?? "", name: function?.member("name")?.string ?? "",
                    arguments: arguments(function?.member("arguments"))
                )
            )
        }
        message.member("citations")?.forEachElement { citation in
            if choice.annotations.count < URLCitation.limit { choice.annotations.append(annotation(citation)) }
        }
        choice.logprobs = view.member("logprobs").flatMap(logprobs)
        choice.finish = finish
        var completion = ChatCompletion()
        completion.id = view.member("id")?.string ?? ""
        completion.model = terms.model
        completion.choices = [choice]
        if let usage = view.member("usage") {
            var tally = UsageTally()
            CohereUsage.read(usage, &tally)
            tally.usage.normalize()
            completion.usage = tally.usage
        }
        return completion
    }

    /// The text of a call's arguments as the model wrote it.
    private static func arguments(_ view: JSONView?) -> String {
        guard let text = view?.string, !text.isEmpty else { return ChatCall.arguments(view) }
        return text
    }

    /// A citation with all it says, as one of OpenAI's annotations.
    ///
    /// Its own `type` makes room for the annotation's and is told as `citation_type`.
    static func annotation(_ citation: JSONView) -> String {
        var out = JSONWriter()
        out.beginObject()
        out.key("type")
        out.string("cohere_citation")
        citation.forEachMember { key, value in
            out.key(named: key == "type" ? "citation_type" : key)
            out.raw(value)
        }
        out.endObject()
        return String(buffer: out.buffer)
    }

    /// The probabilities of the answer's tokens.
    ///
    /// Nil when pieces of several tokens are among them, whose texts cannot be told apart.
    private static func logprobs(_ list: JSONView) -> String? {
        var out = JSONWriter()
        var isTelling = list.firstElement != nil
        out.beginObject()
        out.key("content")
        out.beginArray()
        list.forEachElement { item in
            guard let text = item.member("text")?.string, let values = item.member("logprobs"),
                values.elementCount == 1, item.member("token_ids")?.elementCount == 1,
                let value = values.firstElement, value.kind == .number
            else {
                isTelling = false
                return
            }
            out.beginObject()
            out.key("token")
            out.string(text)
            out.key("logprob")
            out.raw(value)
            out.key("bytes")
            out.beginArray()
            for byte in text.utf8 { out.int(Int(byte)) }
            out.endArray()
            out.key("top_logprobs")
            out.raw("[]")
            out.endObject()
        }
        out.endArray()
        out.key("refusal")
        out.null()
        out.endObject()
        return isTelling ? String(buffer: out.buffer) : nil
    }
}
