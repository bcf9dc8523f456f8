import NIOCore
import WireFormats

/// A part of a candidate's content (providers.md §8.2).
enum GeminiPart {
    case text(JSONView)
    case reasoning(JSONView)
    case call(JSONView, signature: String?)
    case image(JSONView)
    case audio(JSONView)
    /// Code that the model ran, or what came of it, as it is told in the text.
    case aside(String)

    /// Nil for a part that says nothing to a client.
    init?(_ view: JSONView) {
        if let text = view.member("text"), text.kind == .string {
            self = view.member("thought")?.bool == true ? .reasoning(text) : .text(text)
        } else if let call = view.member("functionCall"), call.kind == .object {
            let signature = view.member("thoughtSignature")?.string
            self = .call(call, signature: signature.flatMap { $0.utf8.count <= ThoughtSignature.limit ? $0 : nil })
        } else if let data = view.member("inlineData"), let type = data.member("mimeType")?.string {
            if view.member("thought")?.bool == true { return nil }
            if type.hasPrefix("image/") {
                self = .image(data)
            } else if type.hasPrefix("audio/") {
                self = .audio(data)
            } else {
                return nil
            }
        } else if let code = view.member("executableCode")?.member("code")?.string {
            let language = view.member("executableCode")?.member("language")?.string ?? ""
            self = .aside(Self.fenced(code, language == "LANGUAGE_UNSPECIFIED" ? "" : language.lowercased()))
        } else if let output = view.member("codeExecutionResult")?.member("output")?.string {
            self = .aside(Self.fenced(output, ""))
        } else {
            return nil
        }
    }

    private static func fenced(_ text: String, _ language: String) -> String {
        "\n```\(language)\n\(text)\(text.hasSuffix("\n") ? "" : "\n")```\n"
    }

    /// An image as OpenAI-shaped answers carry it.
    static func imageJSON(_ data: JSONView, at index: Int) -> String {
        var out = JSONWriter()
        out.beginObject()
        out.key("type")
        out.string("image_url")
        out.key("image_url")
        out.beginObject()
        out.key("url")
        out.string(
            "data:\(data.member("mimeType")?.string ?? "");base64,\(data.member("data")?.string ?? "")"
        )
        out.endObject()
        out.key("index")
        out.int(index)
        out.endObject()
        return String(buffer: out.buffer)
    }

    /// Sound as OpenAI's answers carry it.
    static func audioJSON(_ data: JSONView, id: String) -> String {
        var out = JSONWriter()
        out.beginObject()
        out.key("id")
        out.string("audio_" + id)
        out.key("data")
        out.string(data.member("data")?.string ?? "")
        out.key("expires_at")
        out.int(0)
        out.key("transcript")
        out.string("")
        out.endObject()
        return String(buffer: out.buffer)
    }
}

extension ChatCall {
    /// A call as Gemini makes it; it gets an id where it came without.
    init(gemini call: JSONView, signature: String?) {
        let id = call.member("id")?.string ?? ""
        let arguments = call.member("args").flatMap { $0.kind == .object ? $0.compactText : nil }
        self.init(
            id: id.isEmpty ? ChatCallID.random() : id, name: call.member("name")?.string ?? "",
            arguments: arguments ?? "{}"
        )
        self.signature = signature
    }
}
