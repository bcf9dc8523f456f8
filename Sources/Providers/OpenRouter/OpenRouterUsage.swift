import GatewayCore
import WireFormats

extension UsageFormat {
    /// OpenRouter: OpenAI's members and the cost in dollars.
    static let openRouter = openAIShaped { view, tally in
        tally.usage.upstreamCost = view.dollars("cost") ?? tally.usage.upstreamCost
    }
}
