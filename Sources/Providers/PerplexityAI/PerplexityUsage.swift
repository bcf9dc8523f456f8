import GatewayCore
import WireFormats

extension UsageFormat {
    /// Perplexity: reasoning and citation tokens come on top of the completion; it states its own cost.
    static let perplexity = openAIShaped { view, tally in
        if let reasoning = view.count("reasoning_tokens") {
            tally.usage.reasoning = reasoning
            if let completion = view.count("completion_tokens") { tally.usage.output = completion + reasoning }
        }
        Usage.take(view.count("citation_tokens"), &tally.usage.citation)
        Usage.take(
            view.count("num_search_queries")
                ?? view.member("tool_calls_details")?.member("search_web")?.count("invocation"),
            &tally.usage.webSearches)
        tally.usage.searchContext = view.member("search_context_size")?.string ?? tally.usage.searchContext
        tally.usage.requests = 1
        tally.usage.upstreamCost = view.member("cost")?.dollars("total_cost") ?? tally.usage.upstreamCost
    }
}
