import NIOCore
import WireFormats

/// One item of a Responses answer's `output`, as far as it has come.
struct ResponsesItem: Sendable {
    enum Status: String, Sendable {
        case open = "in_progress"
        case complete = "completed"
        /// The answer ended before the item did.
        case cut = "incomplete"
    }

    enum Kind: Sendable {
        case reasoning
        case message
        case call(id: String, name: String)
    }

    let id: String
    let kind: Kind
    var status = Status.open
    /// Summary of a reasoning, text of a message, arguments of a call.
    var text = ""
    var refusal = ""
    /// JSON text of each.
    var annotations: [String] = []
    /// Blocks of thought for the client to give back.
    var sealed: String?
    /// JSON text of what else belongs to a call.
    var extra: String?

    var isMessage: Bool {
        if case .message = kind { return true }
        return false
    }

    func write(into out: inout JSONWriter) {
        out.beginObject()
        out.key("id")
        out.string(id)
        out.key("type")
        switch kind {
        case .reasoning:
            out.string("reasoning")
            out.key("summary")
            out.beginArray()
            if !text.isEmpty { Self.writeSummary(text, into: &out) }
            out.endArray()
            if let sealed {
                out.key("encrypted_content")
                out.string(sealed)
            }
        case .message:
            out.string("message")
            out.key("role")
            out.string("assistant")
            out.key("content")
            out.beginArray()
            if !text.isEmpty || refusal.isEmpty && status != .open { writeText(into: &out) }
            if !refusal.isEmpty { Self.writeRefusal(refusal, into: &out) }
            out.endArray()
        case .call(let callID, let name):
            out.string("function_call")
            out.key("call_id")
            out.string(callID)
            out.key("name")
            out.string(name)
            out.key("arguments")
            out.string(text)
            if let extra {
                out.key("extra_content")
                out.raw(extra)
            }
        }
        out.key("status")
        out.string(status.rawValue)
        out.endObject()
    }

    /// The text part of a message.
    func writeText(into out: inout JSONWriter) {
        out.beginObject()
        out.key("type")
        out.string("output_text")
        out.key("text")
        out.string(text)
        out.key("annotations")
        out.beginArray()
        for annotation in annotations { out.raw(annotation) }
        out.endArray()
        out.key("logprobs")
        out.raw("[]")
        out.endObject()
    }

    static func writeRefusal(_ text: String, into out: inout JSONWriter) {
        out.beginObject()
        out.key("type")
        out.string("refusal")
        out.key("refusal")
        out.string(text)
        out.endObject()
    }

    static func writeSummary(_ text: String, into out: inout JSONWriter) {
        out.beginObject()
        out.key("type")
        out.string("summary_text")
        out.key("text")
        out.string(text)
        out.endObject()
    }

    /// An annotation of a chat, which keeps a citation in an object of its own.
    static func annotation(_ view: JSONView) -> String {
        guard view.member("type")?.string == "url_citation", let inner = view.member("url_citation"),
            inner.kind == .object
        else { return String(decoding: view.bytes, as: UTF8.self) }
        var out = JSONWriter()
        out.beginObject()
        out.key("type")
        out.string("url_citation")
        inner.forEachMember { name, value in
            out.key(named: name)
            out.raw(String(decoding: value.bytes, as: UTF8.self))
        }
        out.endObject()
        return String(buffer: out.buffer)
    }
}
