import GatewayCore
import WireFormats

/// An OpenAI chat request, taken apart as far as translators need it (providers.md §6.1).
///
/// Valid only while the bytes of the body are.
struct ChatCompletionRequest {
    private var members: [String: JSONView] = [:]
    private(set) var messages: [ChatMessage]
    let tools: ChatTools

    /// How many answers to one question a provider can give.
    enum Choices { case one, several }

    /// - Errors: `.badChatCompletion` for what no translated provider can serve.
    init(_ body: UnsafeRawBufferPointer, choices: Choices = .one) throws(GatewayError) {
        var members: [String: JSONView] = [:]
        JSONView(body).forEachMember { key, value in
            // A null stands for a member that is not there; of two, the first counts.
            if members[key] == nil, !value.isNull { members[key] = value }
        }
        self.members = members
        if let count = members["n"] {
            switch choices {
            case .one: if count.int != 1 { throw Self.refusal("`n` must be 1 for this provider") }
            case .several:
                guard let count = count.int, (1...128).contains(count) else {
                    throw Self.refusal("`n` must be a whole number from 1 to 128")
                }
            }
        }
        var wantsAudio = false
        members["modalities"]?.forEachElement { if $0.string == "audio" { wantsAudio = true } }
        if wantsAudio { throw Self.refusal("`modalities` with audio is not supported by this provider") }
        guard let list = members["messages"], list.kind == .array else {
            throw Self.refusal("`messages` must be a list")
        }
        messages = try ChatMessage.list(list)
        guard !messages.isEmpty else { throw Self.refusal("`messages` must not be empty") }
        tools = try ChatTools(members)
    }

    /// Members that every translator reads.
    private static let common: Set<String> = [
        "function_call", "functions", "max_completion_tokens", "max_tokens", "messages", "modalities", "model", "n",
        "parallel_tool_calls", "reasoning_effort", "response_format", "stop", "stream", "stream_options", "temperature",
        "tool_choice", "tools", "top_p",
    ]

    /// The members that no translator tells its provider of, in the order of their names.
    ///
    /// - Parameter own: further members that the translator reads.
    func unread(but own: Set<String>) -> DroppedMembers {
        var dropped = DroppedMembers()
        for name in members.keys.filter({ !Self.common.contains($0) && !own.contains($0) }).sorted() {
            dropped.add(name)
        }
        return dropped
    }

    /// A member that is not null.
    subscript(_ name: String) -> JSONView? { members[name] }

    var isStream: Bool { members["stream"]?.bool ?? false }
    var wantsUsageChunk: Bool { isStream && members["stream_options"]?.member("include_usage")?.bool ?? false }

    /// A number; its text is passed on as it is.
    func number(_ name: String) throws(GatewayError) -> (text: String, value: Double)? {
        guard let view = members[name] else { return nil }
        guard let value = view.double else { throw Self.refusal("`\(name)` must be a number") }
        return (String(decoding: view.bytes, as: UTF8.self), value)
    }

    /// A string.
    func string(_ name: String) throws(GatewayError) -> String? {
        guard let view = members[name] else { return nil }
        guard let text = view.string else { throw Self.refusal("`\(name)` must be a string") }
        return text
    }

    /// The client's limit of the output, in tokens.
    func outputLimit() throws(GatewayError) -> Int? {
        for name in ["max_completion_tokens", "max_tokens"] {
            guard let view = members[name] else { continue }
            guard let count = view.int, count >= 0 else { throw Self.refusal("`\(name)` must be a whole number") }
            return count
        }
        return nil
    }

    /// The texts that end an answer; those of nothing but whitespace are left out.
    func stops() throws(GatewayError) -> [String] {
        guard let view = members["stop"] else { return [] }
        var texts: [String] = []
        var isSound = view.kind == .array
        if let single = view.string {
            texts = [single]
            isSound = true
        } else {
            view.forEachElement { if let text = $0.string { texts.append(text) } else { isSound = false } }
        }
        guard isSound else { throw Self.refusal("`stop` must be a string or a list of strings") }
        return texts.filter { !$0.allSatisfy(\.isWhitespace) }
    }

    /// The addresses of images in all messages, each once.
    func imageAddresses(where isWanted: (String) -> Bool) -> [String] {
        var addresses: [String] = []
        var known: Set<String> = []
        for message in messages {
            for case .image(let url, _, _) in message.parts where isWanted(url) && known.insert(url).inserted {
                addresses.append(url)
            }
        }
        return addresses
    }

    /// The first calls of the turns that came without the thinking that led to them.
    var callsWithoutThinking: [String] {
        messages.compactMap { $0.thinking.isEmpty ? $0.calls.first?.id : nil }
    }

    /// Puts thinking back into turns that came without it.
    ///
    /// - Parameter notes: blocks of a turn as a JSON list, by the turn's first call.
    mutating func restoreThinking(_ notes: [String: String]) {
        guard !notes.isEmpty else { return }
        for index in messages.indices where messages[index].thinking.isEmpty {
            guard let call = messages[index].calls.first, let note = notes[call.id] else { continue }
            messages[index].thinking = ThinkingBlock.list(note)
        }
    }

    static func refusal(_ message: String) -> GatewayError {
        GatewayError(.badChatCompletion, origin: .client, detail: message, message: message)
    }
}
