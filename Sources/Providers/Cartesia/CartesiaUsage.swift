import GatewayCore
import WireFormats

extension UsageFormat {
    /// Cartesia: the request's transcript is what is billed; transcriptions report their duration.
    static let cartesia: UsageFormat = {
        var format = UsageFormat(members: [
            Member("duration") { view, tally in
                if let seconds = view.double, seconds >= 0, seconds < 1e9 {
                    tally.usage.milliseconds = Int((seconds * 1000).rounded())
                }
            }
        ])
        format.spokenMember = "transcript"
        format.event = { name, data, tally in
            if name.isText("done") || data.position(of: "\"type\":\"done\"") != nil { tally.sawTerminal = true }
            if name.isText("error") { tally.sawErrorEvent = true }
        }
        return format
    }()
}
