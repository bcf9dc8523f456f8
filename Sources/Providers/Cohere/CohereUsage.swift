import GatewayCore
import WireFormats

extension UsageFormat {
    /// Cohere v2 (`usage`) and v1 (`meta`).
    static let cohere = UsageFormat(
        members: [
            .model, Member("usage") { CohereUsage.read($0, &$1) }, Member("meta") { CohereUsage.read($0, &$1) },
        ],
        event: { name, data, tally in
            if name.isText("content-delta") || name.isText("text-generation") { return }
            if name.isText("message-end") || data.position(of: "\"message-end\"") != nil {
                tally.sawTerminal = true
                if let usage = data.object(ofKey: "\"usage\"") { CohereUsage.read(usage, &tally) }
                if data.position(of: "\"ERROR\"") != nil { tally.sawErrorEvent = true }
            } else if name.isText("stream-end") || data.position(of: "\"stream-end\"") != nil {
                tally.sawTerminal = true
                if let meta = data.object(ofKey: "\"meta\"") { CohereUsage.read(meta, &tally) }
            } else if name.isText("message-start") || data.position(of: "\"message-start\"") != nil {
                tally.expectsTerminal = true
            }
        })
}

/// Readers of Cohere's usage: tokens are what was processed, billed units what is paid.
enum CohereUsage {
    static func read(_ view: JSONView, _ tally: inout UsageTally) {
        let billed = view.member("billed_units")
        let tokens = view.member("tokens") ?? billed
        Usage.take(tokens?.count("input_tokens"), &tally.usage.input)
        Usage.take(tokens?.count("output_tokens"), &tally.usage.output)
        Usage.take(view.count("cached_tokens"), &tally.usage.cached)
        Usage.take(billed?.count("input_tokens"), &tally.usage.billedInput)
        Usage.take(billed?.count("output_tokens"), &tally.usage.billedOutput)
        Usage.take(billed?.count("search_units"), &tally.usage.searchUnits)
        Usage.take(billed?.count("classifications"), &tally.usage.requests)
        Usage.take(billed?.count("images"), &tally.usage.imagesIn)
        Usage.take(billed?.count("image_tokens"), &tally.usage.inputImage)
    }
}
