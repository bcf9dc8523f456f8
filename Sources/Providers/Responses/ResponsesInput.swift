import GatewayCore
import WireFormats

/// The items of a Responses request as the messages of a chat.
struct ResponsesInput {
    /// JSON text of each message.
    private var messages: [String] = []
    /// The assistant's turn that may still get more items.
    private var turn: Turn?

    private struct Turn {
        /// JSON text of each content part.
        var parts: [String] = []
        /// JSON text of each call.
        var calls: [String] = []
        var reasoning = ""
        /// JSON text of each block that the model wants back as it was.
        var blocks: [String] = []
    }

    private let provider: String

    /// - Parameter provider: whose chat it becomes.
    init(_ instructions: JSONView?, _ input: JSONView?, for provider: String) throws(GatewayError) {
        self.provider = provider
        if let text = instructions?.string, !text.isEmpty { add("system", content: JSONPatch.quoted(text)) }
        guard let input else { throw ResponsesRequest.refusal("`input` must be a string or a list") }
        if let text = input.string {
            add("user", content: JSONPatch.quoted(text))
            return
        }
        guard input.kind == .array else { throw ResponsesRequest.refusal("`input` must be a string or a list") }
        var failure: GatewayError?
        input.forEachElement { item in
            guard failure == nil else { return }
            do throws(GatewayError) { try add(item) } catch { failure = error }
        }
        if let failure { throw failure }
        endTurn()
    }

    func write(into out: inout JSONWriter) {
        out.beginArray()
        for message in messages { out.raw(message) }
        out.endArray()
    }

    private mutating func add(_ item: JSONView) throws(GatewayError) {
        let type = item.member("type")?.string ?? "message"
        switch type {
        case "message": try add(message: item)
        case "function_call":
            let arguments = item.member("arguments")?.string ?? "{}"
            var call = #"{"id":"# + JSONPatch.quoted(item.member("call_id")?.string ?? "")
            call += #","type":"function","function":{"name":"# + JSONPatch.quoted(item.member("name")?.string ?? "")
            call += #","arguments":"# + JSONPatch.quoted(arguments) + "}"
            if let extra = item.member("extra_content"), extra.kind == .object {
                call += #","extra_content":"# + String(decoding: extra.bytes, as: UTF8.self)
            }
            if turn == nil { turn = Turn() }
            turn?.calls.append(call + "}")
        case "function_call_output":
            endTurn()
            let output = item.member("output")
            let content = output?.kind == .array ? list(try parts(output)) : JSONPatch.quoted(output?.string ?? "")
            let id = JSONPatch.quoted(item.member("call_id")?.string ?? "")
            messages.append(#"{"role":"tool","tool_call_id":\#(id),"content":\#(content)}"#)
        case "reasoning": add(reasoning: item)
        default: throw ResponsesRequest.refusal("input items of type '\(type)' are not supported by this provider")
        }
    }

    private mutating func add(message item: JSONView) throws(GatewayError) {
        let role = item.member("role")?.string ?? ""
        guard ["user", "assistant", "system", "developer"].contains(role) else {
            throw ResponsesRequest.refusal("`role` '\(role)' of an input message is not known")
        }
        let content = item.member("content")
        let parts: [String]
        if let text = content?.string {
            parts = [Self.text(text)]
        } else {
            parts = try self.parts(content)
        }
        if role == "assistant" {
            if turn == nil { turn = Turn() }
            turn?.parts.append(contentsOf: parts)
        } else {
            endTurn()
            add(role, content: content?.string.map { JSONPatch.quoted($0) } ?? list(parts))
        }
    }

    private mutating func add(reasoning item: JSONView) {
        // What was thought before calls or a message belongs to them; after them it begins the next turn.
        if let open = turn, !open.parts.isEmpty || !open.calls.isEmpty { endTurn() }
        if turn == nil { turn = Turn() }
        item.member("summary")?.forEachElement { part in turn?.reasoning += part.member("text")?.string ?? "" }
        if let sealed = item.member("encrypted_content")?.string {
            turn?.blocks.append(contentsOf: ResponsesReasoning.blocks(sealed, of: provider))
        }
    }

    private mutating func add(_ role: String, content: String) {
        messages.append(#"{"role":"\#(role)","content":\#(content)}"#)
    }

    private mutating func endTurn() {
        guard let turn else { return }
        self.turn = nil
        // Thoughts alone are no turn.
        guard !turn.parts.isEmpty || !turn.calls.isEmpty else { return }
        var message = #"{"role":"assistant","content":"# + (turn.parts.isEmpty ? "null" : list(turn.parts))
        if !turn.calls.isEmpty { message += #","tool_calls":"# + list(turn.calls) }
        if !turn.reasoning.isEmpty { message += #","reasoning_content":"# + JSONPatch.quoted(turn.reasoning) }
        if !turn.blocks.isEmpty { message += #","thinking_blocks":"# + list(turn.blocks) }
        messages.append(message + "}")
    }

    private func list(_ texts: [String]) -> String { "[" + texts.joined(separator: ",") + "]" }

    private static func text(_ text: String) -> String { #"{"type":"text","text":\#(JSONPatch.quoted(text))}"# }

    private func parts(_ content: JSONView?) throws(GatewayError) -> [String] {
        guard let content, content.kind == .array else {
            throw ResponsesRequest.refusal("`content` of an input message must be a string or a list of parts")
        }
        var parts: [String] = []
        var failure: GatewayError?
        content.forEachElement { element in
            guard failure == nil else { return }
            do throws(GatewayError) { parts.append(try part(element)) } catch { failure = error }
        }
        if let failure { throw failure }
        return parts
    }

    private func part(_ view: JSONView) throws(GatewayError) -> String {
        let type = view.member("type")?.string ?? ""
        func text(_ name: StaticString) -> String? { view.member(name)?.string }
        switch type {
        case "input_text", "output_text", "text": return Self.text(text("text") ?? "")
        case "refusal": return #"{"type":"refusal","refusal":\#(JSONPatch.quoted(text("refusal") ?? ""))}"#
        case "input_image":
            if let url = text("image_url") {
                let detail = text("detail").map { #","detail":"# + JSONPatch.quoted($0) } ?? ""
                return #"{"type":"image_url","image_url":{"url":\#(JSONPatch.quoted(url))\#(detail)}}"#
            }
            guard let id = text("file_id") else { break }
            return #"{"type":"file","file":{"file_id":\#(JSONPatch.quoted(id))}}"#
        case "input_file":
            var members: [String] = []
            for name in ["file_id", "file_data", "filename"] as [StaticString] {
                if let value = text(name) { members.append("\"\(name)\":" + JSONPatch.quoted(value)) }
            }
            guard text("file_id") != nil || text("file_data") != nil else { break }
            return #"{"type":"file","file":{\#(members.joined(separator: ","))}}"#
        case "input_audio":
            guard let audio = view.member("input_audio") else { break }
            return #"{"type":"input_audio","input_audio":\#(String(decoding: audio.bytes, as: UTF8.self))}"#
        default: throw ResponsesRequest.refusal("content parts of type '\(type)' are not supported by this provider")
        }
        throw ResponsesRequest.refusal("a content part of type '\(type)' lacks its content")
    }
}
