import NIOCore
import WireFormats

/// A page that an answer rests on, as OpenAI's chats cite it.
struct URLCitation {
    /// Citations of one answer that are told of; more are left out.
    static let limit = 256

    var url: String
    var title: String?
    /// The Unicode scalars of the text that it supports; nil while they are not known.
    var range: Range<Int>?

    /// JSON text of the annotation.
    var json: String {
        var out = JSONWriter()
        out.beginObject()
        out.key("type")
        out.string("url_citation")
        out.key("url_citation")
        out.beginObject()
        out.key("url")
        out.string(url)
        out.key("title")
        out.string(title ?? "")
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
