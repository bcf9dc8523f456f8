package import GatewayCore
import WireFormats

/// Reads what has to be echoed later out of an OpenAI-shaped answer as it passes.
package struct EchoReader: Sendable {
    private struct Choice: Sendable {
        var reasoning = ""
        var call: String?
        /// More reasoning than is kept: then it is none.
        var isTooLong = false
    }

    private enum Form: Sendable {
        case whole([UInt8])
        case stream(SSEParser)
        /// Too long or malformed.
        case unreadable
    }

    private var form: Form
    private var choices: [Int: Choice] = [:]
    /// Whether a stream has said its last word, though its end may not have come.
    package private(set) var hasEnded = false
    /// Choices of one answer that are read.
    private static let choiceLimit = 16
    /// Bytes of the longest whole answer that is read.
    private static let wholeLimit = 4 << 20

    package init(_ stream: StreamKind) {
        switch stream {
        case .whole: form = .whole([])
        case .sse: form = .stream(SSEParser())
        case .eventStream, .other: form = .unreadable
        }
    }

    package mutating func feed(_ payload: UnsafeRawBufferPointer) {
        switch form {
        case .unreadable: break
        case .whole(var bytes):
            form = .unreadable
            guard bytes.count + payload.count <= Self.wholeLimit else { return }
            bytes.append(contentsOf: payload)
            form = .whole(bytes)
        case .stream(var parser):
            form = .unreadable
            do {
                try parser.feed(payload) { _, data in take(event: data) }
                form = .stream(parser)
            } catch {
                choices = [:]
            }
        }
    }

    /// What is to be remembered, after all of the answer.
    package mutating func notes() -> [ReasoningNote] {
        switch form {
        case .unreadable: break
        case .whole(let bytes):
            bytes.withUnsafeBytes { raw in
                guard JSONScan.validate(raw) else { return }
                JSONView(raw).member("choices")?.forEachElement { take($0, piece: $0.member("message")) }
            }
        case .stream(var parser): parser.finish { _, data in take(event: data) }
        }
        form = .unreadable
        return choices.values.compactMap { choice in
            guard let call = choice.call, !choice.reasoning.isEmpty, !choice.isTooLong else { return nil }
            return ReasoningNote(callID: call, content: choice.reasoning)
        }
    }

    private mutating func take(event: UnsafeRawBufferPointer) {
        if event.elementsEqual("[DONE]".utf8) { hasEnded = true }
        JSONView(event).member("choices")?.forEachElement { take($0, piece: $0.member("delta")) }
    }

    private mutating func take(_ choice: JSONView, piece: JSONView?) {
        guard let piece, piece.kind == .object else { return }
        let index = choice.member("index")?.int ?? 0
        guard choices[index] != nil || choices.count < Self.choiceLimit else { return }
        var known = choices[index] ?? Choice()
        if let text = (piece.member("reasoning_content") ?? piece.member("reasoning"))?.string, !known.isTooLong {
            known.reasoning += text
            if known.reasoning.utf8.count > ReasoningBounds.note {
                known.isTooLong = true
                known.reasoning = ""
            }
        }
        if known.call == nil { known.call = piece.member("tool_calls")?.firstElement?.member("id")?.string }
        choices[index] = known
    }
}
