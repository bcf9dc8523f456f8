import NIOCore
import WireFormats

/// Writes the probabilities of tokens as OpenAI does (providers.md §8.2).
enum GeminiLogprobs {
    /// The value of `logprobs`; nil when the candidate has none.
    static func json(_ candidate: JSONView) -> String? {
        guard let result = candidate.member("logprobsResult"), let chosen = result.member("chosenCandidates"),
            chosen.kind == .array
        else { return nil }
        var others: [JSONView] = []
        result.member("topCandidates")?.forEachElement { others.append($0) }
        var out = JSONWriter()
        out.beginObject()
        out.key("content")
        out.beginArray()
        var index = 0
        chosen.forEachElement { token in
            out.beginObject()
            write(token, into: &out)
            out.key("top_logprobs")
            out.beginArray()
            if index < others.count {
                others[index].member("candidates")?.forEachElement { other in
                    out.beginObject()
                    write(other, into: &out)
                    out.endObject()
                }
            }
            out.endArray()
            out.endObject()
            index += 1
        }
        out.endArray()
        out.key("refusal")
        out.null()
        out.endObject()
        return String(buffer: out.buffer)
    }

    private static func write(_ token: JSONView, into out: inout JSONWriter) {
        let text = token.member("token")?.string ?? ""
        out.key("token")
        out.string(text)
        out.key("logprob")
        if let value = token.member("logProbability"), value.double != nil { out.raw(value) } else { out.raw("0") }
        out.key("bytes")
        out.beginArray()
        for byte in text.utf8 { out.int(Int(byte)) }
        out.endArray()
    }
}
