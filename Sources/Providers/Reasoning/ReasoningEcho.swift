package import NIOCore
import WireFormats

/// The rule of providers that want their own reasoning back with every call of a function that it led to
/// (providers.md §11.3).
///
/// Clients that are made for OpenAI's types drop the reasoning. It is put back into their histories; where it is not
/// known, the request goes out with thinking switched off, because the provider would refuse it otherwise.
package struct ReasoningEcho: Sendable {
    /// JSON text of the value of `thinking` that switches it off.
    private static let disabled = #"{"type":"disabled"}"#

    package init() {}

    /// The first calls of the turns whose reasoning the client left out; empty where the model shall not think.
    ///
    /// - Parameter body: one valid JSON object.
    package func callsWithoutReasoning(_ body: UnsafeRawBufferPointer) -> [String] {
        let root = JSONView(body)
        guard !Self.isOff(root) else { return [] }
        var calls: [String] = []
        Self.forEachBareTurn(root) { _, call in calls.append(call) }
        return calls
    }

    /// The request as the provider takes it.
    ///
    /// - Parameter known: the reasoning of turns by their first call.
    package func completed(_ body: ByteBuffer, with known: [String: String]) -> ByteBuffer {
        body.withUnsafeReadableBytes { bytes in
            let root = JSONView(bytes)
            guard !Self.isOff(root) else { return body }
            var edits: [(Range<Int>, String)] = []
            var isComplete = true
            Self.forEachBareTurn(root) { message, call in
                guard let reasoning = known[call] else {
                    isComplete = false
                    return
                }
                edits.append(Self.edit(message, "reasoning_content", JSONPatch.quoted(reasoning), in: bytes))
            }
            if !isComplete {
                edits = [Self.edit(root, "thinking", Self.disabled, in: bytes)]
                // How hard to think is no question any more.
                if let effort = root.member("reasoning_effort") {
                    edits.append((Self.range(of: effort.bytes, in: bytes), "null"))
                }
            }
            return edits.isEmpty ? body : Self.apply(edits, to: bytes)
        }
    }

    private static func isOff(_ root: JSONView) -> Bool {
        root.member("thinking")?.member("type")?.string == "disabled"
            || root.member("reasoning_effort")?.string == "none"
    }

    /// The assistant's turns that have calls but no reasoning, with the id of their first call.
    private static func forEachBareTurn(_ root: JSONView, _ body: (_ message: JSONView, _ call: String) -> Void) {
        root.member("messages")?.forEachElement { message in
            guard message.member("role")?.string == "assistant",
                let call = message.member("tool_calls")?.firstElement?.member("id")?.string
            else { return }
            if let text = message.member("reasoning_content")?.string, !text.isEmpty { return }
            body(message, call)
        }
    }

    /// The change that gives an object this member, in place of one that it has.
    private static func edit(
        _ object: JSONView, _ name: StaticString, _ value: String, in document: UnsafeRawBufferPointer
    ) -> (Range<Int>, String) {
        if let present = object.member(name) { return (range(of: present.bytes, in: document), value) }
        let start = range(of: object.bytes, in: document).lowerBound + 1
        var isEmpty = true
        object.forEachRawMember { _, _ in isEmpty = false }
        return (start..<start, "\"\(name)\":" + value + (isEmpty ? "" : ","))
    }

    private static func range(of part: UnsafeRawBufferPointer, in whole: UnsafeRawBufferPointer) -> Range<Int> {
        guard let start = part.baseAddress, let base = whole.baseAddress else { return 0..<0 }
        return start - base..<start - base + part.count
    }

    private static func apply(_ edits: [(Range<Int>, String)], to document: UnsafeRawBufferPointer) -> ByteBuffer {
        var out = ByteBuffer()
        out.reserveCapacity(document.count + edits.reduce(0) { $0 + $1.1.utf8.count })
        var position = 0
        for (range, text) in edits.sorted(by: { $0.0.lowerBound < $1.0.lowerBound }) {
            out.writeBytes(UnsafeRawBufferPointer(rebasing: document[position..<range.lowerBound]))
            out.writeString(text)
            position = range.upperBound
        }
        out.writeBytes(UnsafeRawBufferPointer(rebasing: document[position...]))
        return out
    }
}
