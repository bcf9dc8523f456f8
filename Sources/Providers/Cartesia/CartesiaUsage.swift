import GatewayCore
import WireFormats

extension UsageFormat {
    /// Cartesia: the request's transcript is what is billed; transcriptions report their duration.
    static let cartesia = UsageFormat(
        members: [Member("duration") { Usage.take($0.milliseconds, &$1.usage.milliseconds) }],
        event: { name, data, tally in
            if name.isText("done") || data.position(of: "\"type\":\"done\"") != nil { tally.sawTerminal = true }
            if name.isText("error") { tally.sawErrorEvent = true }
        },
        asked: Asked(text: "transcript", model: "model_id"))
}
