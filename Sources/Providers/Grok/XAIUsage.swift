import GatewayCore
import WireFormats

extension UsageFormat {
    /// xAI: chat counts reasoning apart from the completion, Responses inside the output; the total tells which.
    static let xAI = openAIShaped { view, tally in
        if let prompt = view.count("prompt_tokens"), let completion = view.count("completion_tokens"),
            let reasoning = tally.usage.reasoning, reasoning > 0,
            prompt + completion + reasoning == view.count("total_tokens")
        {
            tally.usage.output = completion + reasoning
        }
        // 10¹⁰ ticks are a dollar, so a tick is a hundred pico-dollars.
        if let ticks = view.member("cost_in_usd_ticks")?.int, (0...90_000_000_000_000_000).contains(ticks) {
            tally.usage.upstreamCost = PicoUSD(picoDollars: Int64(ticks) * 100)
        }
    }
}
