import GatewayCore
import WireFormats

extension UsageFormat {
    /// Bedrock Converse, whole and streamed.
    static let bedrockConverse = UsageFormat(
        members: [Member("usage") { BedrockUsage.read($0, &$1) }],
        event: { BedrockUsage.converse($0, $1, &$2) })

    /// Bedrock Invoke: the body is the model family's, the counts are in headers or in a stream's last chunk too.
    ///
    /// What a body calls its model is its maker's name for it; the path has the one with a region and a price.
    static let bedrockInvoke = UsageFormat(
        members: [
            Member("usage") { AnthropicUsage.read($0, &$1) },
            // Titan's embeddings.
            Member("inputTextTokenCount") { Usage.take($0.count, &$1.usage.input) },
        ],
        event: { BedrockUsage.invoke($0, $1, &$2) },
        headers: [
            Header(name: "x-amzn-bedrock-input-token-count") { BedrockUsage.note($0, \.plainInput, &$1) },
            Header(name: "x-amzn-bedrock-output-token-count") { BedrockUsage.note($0, \.usage.output, &$1) },
            Header(name: "x-amzn-bedrock-cache-read-input-token-count") { BedrockUsage.note($0, \.usage.cached, &$1) },
            Header(name: "x-amzn-bedrock-cache-write-input-token-count") { value, tally in
                BedrockUsage.note(value, \.writtenInput, &tally)
                BedrockUsage.note(value, \.usage.cacheWrite5m, &tally)
            },
        ])
}

/// Readers of Bedrock's own usage; its input excludes cache reads and writes.
enum BedrockUsage {
    static func read(_ view: JSONView, _ tally: inout UsageTally) {
        Usage.take(view.count("inputTokens"), &tally.plainInput)
        Usage.take(view.count("outputTokens"), &tally.usage.output)
        Usage.take(view.count("cacheReadInputTokens"), &tally.usage.cached)
        Usage.take(view.count("cacheWriteInputTokens"), &tally.writtenInput)
        if let written = tally.writtenInput {
            var long = 0
            view.member("cacheDetails")?.forEachElement { part in
                if part.member("ttl")?.string == "1h" { long += part.count("inputTokens") ?? 0 }
            }
            if long > 0 { tally.usage.cacheWrite1h = min(long, written) }
            tally.usage.cacheWrite5m = max(0, written - long)
        }
        tally.sumInput()
    }

    static func note(_ value: String, _ place: WritableKeyPath<UsageTally, Int?>, _ tally: inout UsageTally) {
        guard let count = Int(value), count >= 0, count <= 1_000_000_000_000 else { return }
        tally[keyPath: place] = count
        tally.sumInput()
    }

    /// A streamed Converse is over with `messageStop`; what it cost may follow in `metadata` (providers.md §9.3).
    static func converse(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally
    ) {
        if name.isText("contentBlockDelta") { return }
        if name.isText("metadata") {
            let view = JSONView(data)
            if let usage = view.member("usage") { read(usage, &tally) }
            tally.usage.serviceTier = view.member("serviceTier")?.member("type")?.string ?? tally.usage.serviceTier
            tally.sawTerminal = true
        } else if name.isText("messageStart") {
            tally.expectsTerminal = true
        } else if name.isText("messageStop") {
            tally.sawTerminal = true
        } else {
            noteFailure(name, &tally)
        }
    }

    /// A chunk holds one event of the model family in base64; the last one adds Bedrock's own counts.
    static func invoke(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally
    ) {
        guard name.isText("chunk") else { return noteFailure(name, &tally) }
        guard let text = JSONView(data).member("bytes"), text.kind == .string, text.bytes.count >= 2,
            let inner = Base64Text.decodeBytes(UnsafeRawBufferPointer(rebasing: text.bytes[1..<text.bytes.count - 1]))
        else { return }
        inner.withUnsafeBytes { event in
            AnthropicUsage.event(UnsafeRawBufferPointer(start: nil, count: 0), event, &tally)
            tally.model = nil
            guard event.position(of: "\"amazon-bedrock-invocationMetrics\"") != nil,
                let metrics = JSONView(event).member("amazon-bedrock-invocationMetrics")
            else { return }
            tally.sawTerminal = true
            // The model family's own counts are the better ones (providers.md §4.2).
            guard tally.plainInput == nil else { return }
            Usage.take(metrics.count("inputTokenCount"), &tally.plainInput)
            Usage.take(metrics.count("outputTokenCount"), &tally.usage.output)
            Usage.take(metrics.count("cacheReadInputTokenCount"), &tally.usage.cached)
            Usage.take(metrics.count("cacheWriteInputTokenCount"), &tally.writtenInput)
            Usage.take(metrics.count("cacheWriteInputTokenCount"), &tally.usage.cacheWrite5m)
            tally.sumInput()
        }
    }

    private static func noteFailure(_ name: UnsafeRawBufferPointer, _ tally: inout UsageTally) {
        if EventReader.isException(name) { tally.sawErrorEvent = true }
    }
}
