import GatewayCore
import WireFormats

/// Puts a request's messages in order: pairs results with the calls of the turn before (providers.md §6.1).
struct ChatHistory {
    private var messages: [ChatMessage] = []
    /// The calls of the last assistant's message, with their results as they come.
    private var open: [(id: String, result: ChatMessage?)] = []
    /// Which of them still wait for a result, by id; the first to be answered last.
    private var waiting: [String: [Int]] = [:]
    private var legacyCalls = 0

    mutating func add(_ view: JSONView) throws(GatewayError) {
        guard view.kind == .object, let role = view.member("role")?.string else {
            throw ChatCompletionRequest.refusal("every message must be an object with a role")
        }
        switch role {
        case "tool":
            guard let id = view.member("tool_call_id")?.string else {
                throw ChatCompletionRequest.refusal("a message of role 'tool' must have a `tool_call_id`")
            }
            try answer(id, view)
        case "function": try answer(legacyID, view)
        default:
            try close()
            messages.append(try message(role, view))
        }
    }

    mutating func finish() throws(GatewayError) -> [ChatMessage] {
        try close()
        return messages
    }

    private mutating func message(_ role: String, _ view: JSONView) throws(GatewayError) -> ChatMessage {
        var message: ChatMessage
        switch role {
        case "system", "developer": message = ChatMessage(role: .system)
        case "user": message = ChatMessage(role: .user)
        case "assistant": message = ChatMessage(role: .assistant)
        default: throw ChatCompletionRequest.refusal("messages of role '\(role)' are not supported")
        }
        message.parts = try ChatPart.list(view.member("content"))
        guard message.role == .assistant else { return message }
        if message.parts.isEmpty, let refusal = view.member("refusal")?.string {
            message.parts = [.text(refusal, cacheControl: nil)]
        }
        message.reasoning = view.member("reasoning_content")?.string ?? ""
        view.member("thinking_blocks")?.forEachElement { block in
            if let block = ThinkingBlock(block) { message.thinking.append(block) }
        }
        message.calls = try calls(view)
        open = message.calls.map { (id: $0.id, result: nil) }
        for (index, call) in open.enumerated().reversed() { waiting[call.id, default: []].append(index) }
        // Results are matched by the id as the client wrote it; the provider gets it without what was hung on it.
        for index in message.calls.indices {
            let (id, signature) = ThoughtSignature.detached(from: message.calls[index].id)
            message.calls[index].id = id
            if message.calls[index].signature == nil { message.calls[index].signature = signature }
        }
        return message
    }

    private mutating func calls(_ view: JSONView) throws(GatewayError) -> [ChatCall] {
        var calls: [ChatCall] = []
        var isSound = true
        view.member("tool_calls")?.forEachElement { call in
            let function = call.member("function")
            guard let id = call.member("id")?.string, let name = function?.member("name")?.string else {
                isSound = false
                return
            }
            var read = ChatCall(id: id, name: name, arguments: ChatCall.arguments(function?.member("arguments")))
            read.signature = ThoughtSignature.read(call)
            calls.append(read)
        }
        guard isSound else {
            throw ChatCompletionRequest.refusal("every tool call must have an `id` and a function's name")
        }
        if let call = view.member("function_call"), call.kind == .object {
            guard let name = call.member("name")?.string else {
                throw ChatCompletionRequest.refusal("a `function_call` must have a name")
            }
            legacyCalls += 1
            calls.append(
                ChatCall(id: legacyID, name: name, arguments: ChatCall.arguments(call.member("arguments")))
            )
        }
        return calls
    }

    /// Legacy calls have no id; there is one per message.
    private var legacyID: String { "call_function_\(legacyCalls)" }

    private mutating func answer(_ id: String, _ view: JSONView) throws(GatewayError) {
        guard let index = waiting[id]?.popLast() else {
            throw ChatCompletionRequest.refusal(
                "the result for tool call '\(id)' does not follow the message that made the call"
            )
        }
        var message = ChatMessage(role: .tool)
        message.parts = try ChatPart.list(view.member("content"))
        message.callID = ThoughtSignature.detached(from: id).id
        message.hasFailed = view.member("is_error")?.bool ?? false
        open[index].result = message
    }

    /// Takes the results over, in the order of the calls.
    private mutating func close() throws(GatewayError) {
        let missing = open.filter { $0.result == nil }.map { "'\($0.id)'" }
        guard missing.isEmpty else {
            throw ChatCompletionRequest.refusal("no result for tool call \(missing.joined(separator: ", "))")
        }
        messages += open.compactMap { $0.result }
        open = []
        waiting = [:]
    }
}
