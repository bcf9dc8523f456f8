import NIOCore
import WireFormats

/// A block of a model's thinking that has to come back as it was with the turn that it led to (providers.md §7.2, §9.2).
///
/// Clients and the gateway's memory have it in Anthropic's form, whoever runs the model: a signature holds on every host.
enum ThinkingBlock: Sendable, Equatable {
    case thought(String, signature: String)
    /// Thoughts that nobody but their provider can read.
    case sealed(String)

    /// A block in Anthropic's form or in Converse's; nil without what proves that the model thought it.
    init?(_ view: JSONView) {
        if let reasoning = view.member("reasoningContent") {
            let thought = reasoning.member("reasoningText")
            self.init(
                thought?.member("text"), thought?.member("signature"), sealed: reasoning.member("redactedContent"))
            return
        }
        switch view.member("type")?.string {
        case "thinking": self.init(view.member("thinking"), view.member("signature"), sealed: nil)
        case "redacted_thinking": self.init(nil, nil, sealed: view.member("data"))
        default: return nil
        }
    }

    private init?(_ text: JSONView?, _ signature: JSONView?, sealed: JSONView?) {
        if let sealed = sealed?.string, !sealed.isEmpty {
            self = .sealed(sealed)
        } else if let signature = signature?.string, !signature.isEmpty {
            self = .thought(text?.string ?? "", signature: signature)
        } else {
            return nil
        }
    }

    /// The blocks of a list in JSON, as far as they are whole.
    static func list(_ json: String) -> [ThinkingBlock] {
        json.withBytes { bytes in
            var blocks: [ThinkingBlock] = []
            guard JSONScan.validate(bytes) else { return blocks }
            JSONView(bytes).forEachElement { if let block = ThinkingBlock($0) { blocks.append(block) } }
            return blocks
        }
    }

    /// The blocks as a list in JSON.
    static func json(_ blocks: [ThinkingBlock]) -> String {
        var out = JSONWriter()
        out.beginArray()
        for block in blocks { block.write(into: &out) }
        out.endArray()
        return String(buffer: out.buffer)
    }

    /// Writes the block as Anthropic has it.
    func write(into out: inout JSONWriter) {
        out.beginObject()
        out.key("type")
        switch self {
        case .thought(let text, let signature):
            out.string("thinking")
            out.key("thinking")
            out.string(text)
            out.key("signature")
            out.string(signature)
        case .sealed(let data):
            out.string("redacted_thinking")
            out.key("data")
            out.string(data)
        }
        out.endObject()
    }

    /// Writes the block as Converse has it.
    func writeConverse(into out: inout JSONWriter) {
        out.beginObject()
        out.key("reasoningContent")
        out.beginObject()
        switch self {
        case .thought(let text, let signature):
            out.key("reasoningText")
            out.beginObject()
            out.key("text")
            out.string(text)
            out.key("signature")
            out.string(signature)
            out.endObject()
        case .sealed(let data):
            out.key("redactedContent")
            out.string(data)
        }
        out.endObject()
        out.endObject()
    }
}
