import GatewayCore
import WireFormats

extension UsageFormat {
    /// Bedrock Converse, whole answers.
    static let bedrockConverse = UsageFormat(members: [Member("usage") { BedrockUsage.read($0, &$1) }])

    /// Bedrock Invoke: the body is the model family's, the counts are in headers too.
    static let bedrockInvoke = UsageFormat(
        members: UsageFormat.anthropic.members, event: UsageFormat.anthropic.event,
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
}
