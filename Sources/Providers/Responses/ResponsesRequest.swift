package import GatewayCore
package import NIOCore
import WireFormats

/// A request of OpenAI's Responses API as a chat (providers.md §14.1).
package struct ResponsesRequest: Sendable {
    /// Whether a streamed chat is asked for its usage in the body that is written.
    package enum UsageOption: Sendable { case asked, left }

    /// An OpenAI chat request; its model is the client's.
    package let chat: ByteBuffer
    /// What the answer repeats of the request.
    package let echo: ResponsesEcho
    /// What the chat does not tell of the request.
    package let dropped: DroppedMembers

    /// Members that become something of the chat, that only the answer repeats, or that say what is so anyway.
    private static let known: Set<String> = [
        "background", "include", "input", "instructions", "max_output_tokens", "metadata", "model",
        "parallel_tool_calls", "reasoning", "service_tier", "store", "stream", "stream_options", "temperature", "text",
        "tool_choice", "tools", "top_p", "truncation", "user",
    ]

    /// - Parameters:
    ///   - body: one valid JSON object.
    ///   - provider: whose chat it becomes.
    /// - Errors: `.badChatCompletion` with a message for the client, for what a chat cannot express.
    package init(
        _ body: UnsafeRawBufferPointer, for provider: ProviderID, webSearch: ResponsesRule.WebSearch, usage: UsageOption
    ) throws(GatewayError) {
        var members: [String: JSONView] = [:]
        JSONView(body).forEachMember { key, value in
            if members[key] == nil, !value.isNull { members[key] = value }
        }
        try Self.refuseState(members)
        let items = try ResponsesInput(members["instructions"], members["input"], for: provider.rawValue)
        let tools = try ResponsesTools(members, webSearch: webSearch)
        var out = JSONWriter()
        out.beginObject()
        func copy(_ name: String, as key: StaticString) {
            guard let view = members[name] else { return }
            out.key(key)
            out.raw(String(decoding: view.bytes, as: UTF8.self))
        }
        copy("model", as: "model")
        out.key("messages")
        items.write(into: &out)
        copy("stream", as: "stream")
        if usage == .asked, members["stream"]?.bool == true {
            out.key("stream_options")
            out.raw(#"{"include_usage":true}"#)
        }
        copy("max_output_tokens", as: "max_completion_tokens")
        copy("temperature", as: "temperature")
        copy("top_p", as: "top_p")
        copy("service_tier", as: "service_tier")
        copy("parallel_tool_calls", as: "parallel_tool_calls")
        tools.write(into: &out)
        try Self.writeText(members["text"], into: &out)
        if let effort = members["reasoning"]?.member("effort"), !effort.isNull {
            out.key("reasoning_effort")
            out.raw(String(decoding: effort.bytes, as: UTF8.self))
        }
        out.endObject()
        chat = out.buffer
        echo = ResponsesEcho(members)
        var dropped = DroppedMembers()
        for name in members.keys.sorted() where !Self.known.contains(name) { dropped.add(name) }
        self.dropped = dropped
    }

    /// What lives on the provider's side has no place in a chat.
    private static func refuseState(_ members: [String: JSONView]) throws(GatewayError) {
        for name in ["previous_response_id", "conversation", "prompt"] where members[name] != nil {
            throw refusal("`\(name)` is not supported by this provider")
        }
        if members["background"]?.bool == true { throw refusal("`background` is not supported by this provider") }
    }

    private static func writeText(_ text: JSONView?, into out: inout JSONWriter) throws(GatewayError) {
        if let verbosity = text?.member("verbosity"), !verbosity.isNull {
            out.key("verbosity")
            out.raw(String(decoding: verbosity.bytes, as: UTF8.self))
        }
        guard let format = text?.member("format"), !format.isNull else { return }
        let type = format.member("type")?.string ?? ""
        switch type {
        case "text": return
        case "json_object":
            out.key("response_format")
            out.raw(#"{"type":"json_object"}"#)
        case "json_schema":
            out.key("response_format")
            out.beginObject()
            out.key("type")
            out.string("json_schema")
            out.key("json_schema")
            out.beginObject()
            for name in ["name", "description", "schema", "strict"] as [StaticString] {
                guard let view = format.member(name), !view.isNull else { continue }
                out.key(name)
                out.raw(String(decoding: view.bytes, as: UTF8.self))
            }
            out.endObject()
            out.endObject()
        default: throw refusal("`text.format` of type '\(type)' is not known")
        }
    }

    static func refusal(_ message: String) -> GatewayError { ChatCompletionRequest.refusal(message) }
}

/// The members of a request that its answer repeats, as JSON text.
package struct ResponsesEcho: Sendable, Equatable {
    private static let defaults: [(name: String, text: String)] = [
        ("instructions", "null"), ("max_output_tokens", "null"), ("metadata", "{}"), ("parallel_tool_calls", "true"),
        ("reasoning", #"{"effort":null,"summary":null}"#), ("service_tier", #""default""#), ("temperature", "1"),
        ("text", #"{"format":{"type":"text"}}"#), ("tool_choice", #""auto""#), ("tools", "[]"), ("top_p", "1"),
        ("truncation", #""disabled""#), ("user", "null"),
    ]

    private var members: [(name: String, text: String)]

    init(_ request: [String: JSONView]) {
        members = Self.defaults.map { member in
            (member.name, request[member.name].map { String(decoding: $0.bytes, as: UTF8.self) } ?? member.text)
        }
    }

    package static func == (left: ResponsesEcho, right: ResponsesEcho) -> Bool {
        left.members.elementsEqual(right.members) { $0 == $1 }
    }

    /// Writes the members into an open object.
    func write(into out: inout JSONWriter) {
        for member in members {
            out.key(named: member.name)
            out.raw(member.text)
        }
        out.key("previous_response_id")
        out.null()
        out.key("background")
        out.bool(false)
        // Nothing is kept by the gateway, whatever was asked.
        out.key("store")
        out.bool(false)
    }
}
