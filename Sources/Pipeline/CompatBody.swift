import GatewayCore
import NIOCore
import WireFormats

/// The facts of an OpenAI-shaped request body that the gateway acts on, found by one scan.
struct CompatBody {
    enum Change { case modelOnly, addUsageOption }

    let bytes: ByteBuffer
    let model: String
    let isStream: Bool
    /// Whether the client itself asked for usage in the stream.
    let includesUsage: Bool
    private let modelRange: Range<Int>
    private let streamOptions: Range<Int>?

    /// Bytes of the longest model name · assumed.
    static let modelLimit = 512

    /// Reads a whole body; 2019 for anything without a usable `model`.
    static func read(_ bytes: ByteBuffer) throws(GatewayError) -> CompatBody {
        let found: CompatBody? = bytes.withUnsafeReadableBytes { raw in
            guard let top = JSONScan.topLevel(raw, wanted: ["model", "stream", "stream_options"]), !top.hasDuplicate,
                let modelRange = top[0],
                let model = JSONView(UnsafeRawBufferPointer(rebasing: raw[modelRange])).string, !model.isEmpty,
                model.utf8.count <= modelLimit
            else { return nil }
            func view(_ index: Int) -> JSONView? {
                top[index].map { JSONView(UnsafeRawBufferPointer(rebasing: raw[$0])) }
            }
            return CompatBody(
                bytes: bytes, model: model, isStream: view(1)?.bool ?? false,
                includesUsage: view(2)?.member("include_usage")?.bool ?? false, modelRange: modelRange,
                streamOptions: top[2]
            )
        }
        guard let found else {
            throw GatewayError(.badChatCompletion, origin: .client, detail: "no JSON object with one string `model`")
        }
        return found
    }

    /// The body for the provider: its bytes but for the changed ranges.
    ///
    /// - Parameter dialect: adds the changes that one provider needs.
    func rewritten(
        model: String, _ change: Change,
        dialect: (UnsafeRawBufferPointer, inout JSONEdits) throws(GatewayError) -> Void = { _, _ in }
    ) throws(GatewayError) -> ByteBuffer {
        let result: Result<ByteBuffer, GatewayError> = bytes.withUnsafeReadableBytes { raw in
            var edits = JSONEdits(raw)
            edits.replace(JSONView(UnsafeRawBufferPointer(rebasing: raw[modelRange])), with: JSONPatch.quoted(model))
            if change == .addUsageOption {
                if let streamOptions {
                    let options = UnsafeRawBufferPointer(rebasing: raw[streamOptions])
                    edits.replace(JSONView(options), with: Self.withUsage(options))
                } else {
                    edits.insert(#","stream_options":{"include_usage":true}"#, at: modelRange.upperBound)
                }
            }
            do throws(GatewayError) { try dialect(raw, &edits) } catch { return .failure(error) }
            return .success(edits.applied())
        }
        return try result.get()
    }

    /// A `stream_options` object with `include_usage` switched on and its other members kept.
    private static func withUsage(_ object: UnsafeRawBufferPointer) -> String {
        var members = [#""include_usage":true"#]
        JSONView(object).forEachMember { key, value in
            if key != "include_usage" {
                members.append(JSONPatch.quoted(key) + ":" + String(decoding: value.bytes, as: UTF8.self))
            }
        }
        return "{" + members.joined(separator: ",") + "}"
    }
}
