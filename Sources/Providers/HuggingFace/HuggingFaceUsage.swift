import GatewayCore
import WireFormats

extension UsageFormat {
    /// Hugging Face text generation: `details`, only when the request asked for them.
    static let huggingFace = openAIShaped(
        laterEvent: { _, data, tally in
            if let view = data.object(ofKey: "\"details\"") {
                tally.sawTerminal = true
                details(view, &tally.usage)
            }
        },
        arrayMember: Member("\"details\"") { details($0, &$1.usage) })

    private static func details(_ view: JSONView, _ usage: inout Usage) {
        Usage.take(view.count("generated_tokens"), &usage.output)
        if let prefill = view.member("prefill")?.elementCount, prefill > 0 { usage.input = prefill }
    }
}
