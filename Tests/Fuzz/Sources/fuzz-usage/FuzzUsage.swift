import FuzzDriver
import GatewayCore
import NIOCore
import Providers
import WireFormats

/// Every format of usage in use, by the input's first byte.
private let formats: [UsageFormat] = {
    var formats: [UsageFormat] = []
    let paths = ["/v1/chat/completions", "/v1/responses", "/v1/messages", "/v2/chat", "/v1/images/generations"]
    for provider in ProviderRegistry.builtIn.all {
        for path in paths {
            let format = provider.usageFormat(path: path)
            if !formats.contains(where: { $0 === format }) { formats.append(format) }
        }
    }
    return formats
}()

private func read(_ bytes: UnsafeRawBufferPointer, _ format: UsageFormat, _ kind: StreamKind, step: Int) -> UsageReader
{
    let reader = UsageReader(format: format, streamed: kind)
    bytes.inPieces(of: step) { piece in
        reader.feed(piece)
        return true
    }
    reader.finish()
    return reader
}

/// Counts are what can be counted: nothing negative, no part larger than its whole.
private func check(_ usage: Usage) {
    for count in [usage.input, usage.output, usage.cached, usage.reasoning] {
        precondition(count ?? 0 >= 0, "a negative count")
    }
    if let input = usage.input { precondition(usage.cached ?? 0 <= input, "more cached than there was") }
    if let output = usage.output { precondition(usage.reasoning ?? 0 <= output, "more thoughts than tokens") }
}

@main
enum FuzzUsage: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 2, !formats.isEmpty else { return }
        let bytes = input.from(2)
        let format = formats[Int(input[0]) % formats.count]
        let kind: StreamKind = [.whole, .sse, .eventStream][Int(input[1]) % 3]
        let once = read(bytes, format, kind, step: .max >> 1)
        let pieces = read(bytes, format, kind, step: Int(input[1]) % 13 + 1)
        check(once.usage)
        precondition(once.usage == pieces.usage && once.model == pieces.model, "cutting an answer changed its usage")
        precondition(once.sawTerminal == pieces.sawTerminal && once.isUnfinished == pieces.isUnfinished)
        precondition(once.failure == pieces.failure, "cutting a stream changed its error")
    }
}
