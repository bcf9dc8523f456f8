import GatewayCore
import WireFormats

extension UsageFormat {
    /// Replicate: `metrics` of a finished prediction.
    static let replicate = UsageFormat(
        members: [
            .model,
            Member("metrics") { view, tally in
                Usage.take(view.count("input_token_count"), &tally.usage.input)
                Usage.take(view.count("output_token_count"), &tally.usage.output)
                Usage.take(view.milliseconds("predict_time"), &tally.usage.milliseconds)
            },
        ],
        event: { name, _, tally in
            if name.isText("done") { tally.sawTerminal = true }
            if name.isText("error") { tally.sawErrorEvent = true }
        })
}
