import GatewayCore
import WireFormats

/// The thinking of one streamed answer: gathered block by block, for the client to give back and for the gateway to
/// remember (providers.md §7.5, §9.3).
///
/// Pieces are kept as they were written: JSON strings without their quotes.
/// - Limit: of more than 1 MiB, or 1024 blocks at one time, nothing can be given back.
struct ThinkingTrail: Sendable {
    private struct Pieces: Sendable {
        var text: [UInt8] = []
        var signature: [UInt8] = []
        var sealed: [UInt8] = []
    }

    /// The blocks that have begun and not ended, by their index among all blocks of the answer.
    private var open: [Int: Pieces] = [:]
    /// Members of each whole block as JSON text, without the braces.
    private var blocks: [String] = []
    private var size = 0
    /// The first call of a function that the answer makes.
    private var call: String?

    private static let limit = 1 << 20
    private static let blockLimit = 1024

    mutating func add(text: JSONView?, at index: Int) {
        if let inside = inside(of: text, at: index) { open[index, default: Pieces()].text += inside }
    }

    mutating func add(signature: JSONView?, at index: Int) {
        if let inside = inside(of: signature, at: index) { open[index, default: Pieces()].signature += inside }
    }

    mutating func add(sealed: JSONView?, at index: Int) {
        if let inside = inside(of: sealed, at: index) { open[index, default: Pieces()].sealed += inside }
    }

    /// What stands between the quotes of a string that is not empty, as long as the answer is not too long.
    private mutating func inside(of view: JSONView?, at index: Int) -> UnsafeRawBufferPointer.SubSequence? {
        guard let text = view?.piece, size <= Self.limit else { return nil }
        guard open[index] != nil || open.count < Self.blockLimit else {
            size = Self.limit + 1
            return nil
        }
        size += text.count
        return text.dropFirst().dropLast()
    }

    /// Notes a call of a function; the first one stands for its turn.
    mutating func add(call id: String) { if call == nil { call = id } }

    /// Ends a block.
    ///
    /// - Returns: the block as a stream's `thinking_blocks`; nil where there is none that could be given back.
    mutating func close(_ index: Int) -> String? {
        guard let pieces = open.removeValue(forKey: index), size <= Self.limit else { return nil }
        let members: String
        if !pieces.sealed.isEmpty {
            members = #""type":"redacted_thinking","data":"\#(String(decoding: pieces.sealed, as: UTF8.self))""#
        } else if !pieces.signature.isEmpty {
            let text = String(decoding: pieces.text, as: UTF8.self)
            let signature = String(decoding: pieces.signature, as: UTF8.self)
            members = #""type":"thinking","thinking":"\#(text)","signature":"\#(signature)""#
        } else {
            return nil
        }
        blocks.append(members)
        // Clients that add up pieces tell the elements of a list by their index.
        return #"[{"index":\#(blocks.count - 1),\#(members)}]"#
    }

    /// What is to be remembered: the blocks, by the first call that they led to.
    var notes: [ReasoningNote] {
        guard let call, !blocks.isEmpty, size <= Self.limit else { return [] }
        return [ReasoningNote(callID: call, content: "[" + blocks.map { "{\($0)}" }.joined(separator: ",") + "]")]
    }
}
