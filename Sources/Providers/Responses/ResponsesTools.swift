import GatewayCore
import WireFormats

/// The tools of a Responses request and the choice among them, as a chat has them.
struct ResponsesTools {
    private var functions: [JSONView] = []
    private var search: JSONView?
    private var choice: JSONView?

    init(_ members: [String: JSONView], webSearch: ResponsesRule.WebSearch) throws(GatewayError) {
        choice = members["tool_choice"]
        var failure: GatewayError?
        members["tools"]?.forEachElement { tool in
            let type = tool.member("type")?.string ?? ""
            switch type {
            case "function": functions.append(tool)
            case "web_search", "web_search_preview", "web_search_2025_08_26", "web_search_preview_2025_03_11":
                guard webSearch == .options else { fallthrough }
                search = tool
            default:
                failure = ResponsesRequest.refusal("tools of type '\(type)' are not supported by this provider")
            }
        }
        if let failure { throw failure }
        if let choice, choice.kind == .object {
            let type = choice.member("type")?.string ?? ""
            guard type == "function" || type == "allowed_tools" else {
                throw ResponsesRequest.refusal("`tool_choice` of type '\(type)' is not supported by this provider")
            }
        }
    }

    func write(into out: inout JSONWriter) {
        if !functions.isEmpty {
            out.key("tools")
            out.beginArray()
            for function in functions { write(function, into: &out) }
            out.endArray()
        }
        if let search { write(search: search, into: &out) }
        guard let choice else { return }
        out.key("tool_choice")
        guard choice.kind == .object else { return out.raw(String(decoding: choice.bytes, as: UTF8.self)) }
        if choice.member("type")?.string == "function" {
            write(named: choice, into: &out)
        } else {
            write(allowed: choice, into: &out)
        }
    }

    private func write(_ function: JSONView, into out: inout JSONWriter) {
        out.beginObject()
        out.key("type")
        out.string("function")
        out.key("function")
        out.beginObject()
        for name in ["name", "description", "parameters"] as [StaticString] {
            guard let view = function.member(name), !view.isNull else { continue }
            out.key(name)
            out.raw(String(decoding: view.bytes, as: UTF8.self))
        }
        out.key("strict")
        // True where nothing is said, other than in a chat.
        out.bool(function.member("strict")?.bool ?? true)
        out.endObject()
        out.endObject()
    }

    private func write(search: JSONView, into out: inout JSONWriter) {
        out.key("web_search_options")
        out.beginObject()
        if let place = search.member("user_location"), place.kind == .object {
            // A chat keeps what is known of the place in an object of its own.
            out.key("user_location")
            out.beginObject()
            out.key("type")
            out.string("approximate")
            out.key("approximate")
            out.beginObject()
            place.forEachMember { key, value in
                if key == "type" || value.isNull { return }
                out.key(named: key)
                out.raw(String(decoding: value.bytes, as: UTF8.self))
            }
            out.endObject()
            out.endObject()
        }
        if let size = search.member("search_context_size"), !size.isNull {
            out.key("search_context_size")
            out.raw(String(decoding: size.bytes, as: UTF8.self))
        }
        out.endObject()
    }

    private func write(named choice: JSONView, into out: inout JSONWriter) {
        out.beginObject()
        out.key("type")
        out.string("function")
        out.key("function")
        out.beginObject()
        out.key("name")
        out.string(choice.member("name")?.string ?? "")
        out.endObject()
        out.endObject()
    }

    private func write(allowed choice: JSONView, into out: inout JSONWriter) {
        out.beginObject()
        out.key("type")
        out.string("allowed_tools")
        out.key("allowed_tools")
        out.beginObject()
        out.key("mode")
        out.string(choice.member("mode")?.string ?? "auto")
        out.key("tools")
        out.beginArray()
        choice.member("tools")?.forEachElement { tool in
            if tool.member("type")?.string == "function" { write(named: tool, into: &out) }
        }
        out.endArray()
        out.endObject()
        out.endObject()
    }
}
