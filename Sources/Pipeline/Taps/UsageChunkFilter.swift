import GatewayCore
import NIOCore
import WireFormats

/// Passes a compat stream on event by event, without the usage chunk that only the gateway asked for.
///
/// The chunk is the one with an empty `choices` and a `usage` object (decisions 9). Everything else, the closing
/// `[DONE]` included, goes through with its data unchanged.
struct UsageChunkFilter: Sendable {
    private var parser = SSEParser()

    /// Adds to `out` the events that `bytes` completes.
    mutating func feed(_ bytes: UnsafeRawBufferPointer, into out: inout ByteBuffer) throws(GatewayError) {
        var written = ByteBuffer()
        do {
            try parser.feed(bytes) { name, data in Self.write(name, data, into: &written) }
        } catch {
            throw GatewayError(.providerUnreachable, origin: .provider, detail: "event stream exceeds its limits")
        }
        out.writeBuffer(&written)
    }

    mutating func finish(into out: inout ByteBuffer) {
        var written = ByteBuffer()
        parser.finish { name, data in Self.write(name, data, into: &written) }
        out.writeBuffer(&written)
    }

    private static func write(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, into out: inout ByteBuffer
    ) {
        if isUsageOnly(data) { return }
        if name.count > 0 {
            out.writeStaticString("event: ")
            out.writeBytes(name)
            out.writeStaticString("\n")
        }
        // A payload of several lines was joined by the parser and is split again.
        for line in data.split(separator: 0x0a, omittingEmptySubsequences: false) {
            out.writeStaticString("data: ")
            out.writeBytes(UnsafeRawBufferPointer(rebasing: line))
            out.writeStaticString("\n")
        }
        out.writeStaticString("\n")
    }

    static func isUsageOnly(_ data: UnsafeRawBufferPointer) -> Bool {
        let view = JSONView(data)
        guard view.kind == .object, view.member("usage")?.kind == .object,
            let choices = view.member("choices"), choices.kind == .array
        else { return false }
        return choices.firstElement == nil
    }
}
