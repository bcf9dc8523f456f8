import GatewayCore
import NIOCore
import WireFormats

/// The history of a chat as Gemini wants it: system apart, neighbours of one role merged, a user first, all results of
/// a turn in one content of their own (providers.md §8.1).
struct GeminiTurns {
    private enum Role: String { case user, model }

    private struct Turn {
        var role: Role
        var holdsResults = false
        /// JSON text of each part.
        var parts: [ByteBuffer] = []
    }

    private let model: GeminiModel
    private let supplements: ChatSupplements
    private var system: [ByteBuffer] = []
    private var turns: [Turn] = []
    /// The calls of the last model's turn that have no result yet, the next one last.
    private var open: [ChatCall] = []

    init(_ model: GeminiModel, _ supplements: ChatSupplements) {
        self.model = model
        self.supplements = supplements
    }

    mutating func add(_ message: ChatMessage, _ names: inout ChatNames) throws(GatewayError) {
        switch message.role {
        case .system: system += try content(message.parts)
        case .user:
            let parts = try content(message.parts)
            append(.user, parts.isEmpty ? [Self.text(Self.nothing)] : parts)
        case .assistant:
            var parts = try content(message.parts)
            var signatures = model.knowsSignatures ? signatures(of: message.calls) : []
            for (index, call) in message.calls.enumerated() {
                let signature = signatures.isEmpty ? nil : signatures[index].take()
                parts.append(write(call, signature, &names))
            }
            append(.model, parts)
            open = message.calls.reversed()
        case .tool:
            guard let call = open.popLast() else { return }
            let part = try result(message, of: call, &names)
            if turns.last?.holdsResults != true { turns.append(Turn(role: .user, holdsResults: true)) }
            turns[turns.count - 1].parts.append(part)
        }
    }

    private mutating func append(_ role: Role, _ parts: [ByteBuffer]) {
        guard !parts.isEmpty else { return }
        if turns.last?.role != role || turns.last?.holdsResults == true { turns.append(Turn(role: role)) }
        turns[turns.count - 1].parts += parts
    }

    /// What stands for a message without content, which is refused.
    private static let nothing = "(empty)"

    func write(into out: inout JSONWriter) {
        var turns = turns
        if turns.first?.role != .user { turns.insert(Turn(role: .user), at: 0) }
        if !model.takesSystem { turns[0].parts.insert(contentsOf: system, at: 0) }
        if turns[0].parts.isEmpty { turns[0].parts = [Self.text(Self.nothing)] }
        if model.takesSystem, !system.isEmpty {
            out.key("systemInstruction")
            out.beginObject()
            Self.write(system, into: &out)
            out.endObject()
        }
        out.key("contents")
        out.beginArray()
        for turn in turns {
            out.beginObject()
            out.key("role")
            out.string(turn.role.rawValue)
            Self.write(turn.parts, into: &out)
            out.endObject()
        }
        out.endArray()
    }

    private static func write(_ parts: [ByteBuffer], into out: inout JSONWriter) {
        out.key("parts")
        out.beginArray()
        for part in parts { out.raw(part) }
        out.endArray()
    }

    // MARK: Parts

    private static func text(_ text: String) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("text")
        out.string(text)
        out.endObject()
        return out.buffer
    }

    private func content(_ parts: [ChatPart]) throws(GatewayError) -> [ByteBuffer] {
        var result: [ByteBuffer] = []
        for part in parts {
            switch part {
            case .text(let text, _): if !text.isEmpty { result.append(Self.text(text)) }
            case .image(let url, let detail, _):
                let resolution = model.takesMediaResolution ? detail : nil
                result.append(try GeminiMedia.image(url, resolution, supplements.media))
            case .file(let file, _): result.append(try GeminiMedia.document(file))
            case .audio(let audio): result.append(try GeminiMedia.audio(audio))
            }
        }
        return result
    }

    // MARK: Calls

    /// The signature of each call: the client's, else the gateway's own memory of it.
    ///
    /// Where no call of a turn has any, the first one gets the value that stands for another model's history
    /// (providers.md §8.4).
    private func signatures(of calls: [ChatCall]) -> [String?] {
        var found = calls.map { $0.signature ?? supplements.reasoning[$0.id] }
        if model.demandsSignatures, !found.isEmpty, !found.contains(where: { $0 != nil }) { found[0] = Self.bypass }
        return found
    }

    /// `skip_thought_signature_validator` in base64.
    private static let bypass = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="

    private func write(_ call: ChatCall, _ signature: String?, _ names: inout ChatNames) -> ByteBuffer {
        var out = JSONWriter()
        out.beginObject()
        out.key("functionCall")
        out.beginObject()
        writeIdentity(of: call, &names, into: &out)
        out.key("args")
        out.raw(call.arguments)
        out.endObject()
        if let signature {
            out.key("thoughtSignature")
            out.string(signature)
        }
        out.endObject()
        return out.buffer
    }

    private func writeIdentity(of call: ChatCall, _ names: inout ChatNames, into out: inout JSONWriter) {
        if model.takesCallIDs, !call.id.isEmpty {
            out.key("id")
            out.string(call.id)
        }
        out.key("name")
        out.string(names.accepted(call.name))
    }

    private func result(
        _ message: ChatMessage, of call: ChatCall, _ names: inout ChatNames
    ) throws(GatewayError) -> ByteBuffer {
        var texts: [String] = []
        var media: [ChatPart] = []
        for part in message.parts {
            if case .text(let text, _) = part { texts.append(text) } else { media.append(part) }
        }
        guard media.isEmpty || model.takesMediaInResults else {
            throw ChatCompletionRequest.refusal("results of tools must be text for this model")
        }
        let parts = try content(media)
        var out = JSONWriter()
        out.beginObject()
        out.key("functionResponse")
        out.beginObject()
        writeIdentity(of: call, &names, into: &out)
        out.key("response")
        Self.writeResponse(texts.joined(separator: "\n"), hasFailed: message.hasFailed, into: &out)
        if !parts.isEmpty { Self.write(parts, into: &out) }
        out.endObject()
        out.endObject()
        return out.buffer
    }

    /// A result has to be an object: one is passed on as it is, anything else stands inside of one.
    private static func writeResponse(_ text: String, hasFailed: Bool, into out: inout JSONWriter) {
        let kind = JSONView.Kind.ofWhole(text)
        if kind == .object { return out.raw(text) }
        out.beginObject()
        out.key(hasFailed ? "error" : "result")
        if kind == .invalid { out.string(text) } else { out.raw(text) }
        out.endObject()
    }
}

extension JSONView.Kind {
    /// What a text is as a whole; `invalid` where it is no JSON.
    fileprivate static func ofWhole(_ text: String) -> JSONView.Kind {
        text.withBytes { JSONScan.validate($0) ? JSONView($0).kind : .invalid }
    }
}
