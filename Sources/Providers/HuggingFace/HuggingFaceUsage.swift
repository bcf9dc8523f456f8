import GatewayCore
import WireFormats

extension UsageFormat {
    /// Hugging Face text generation: `details`, only when the request asked for them.
    static let huggingFace: UsageFormat = {
        var format = openAIShaped()
        format.arrayMember = Member("\"details\"") { details($0, &$1.usage) }
        let event = format.event
        format.event = { name, data, tally in
            event(name, data, &tally)
            if let view = data.object(ofKey: "\"details\"") {
                tally.sawTerminal = true
                details(view, &tally.usage)
            }
        }
        return format
    }()

    private static func details(_ view: JSONView, _ usage: inout Usage) {
        Usage.take(view.count("generated_tokens"), &usage.output)
        if let prefill = view.member("prefill")?.elementCount, prefill > 0 { usage.input = prefill }
    }
}
