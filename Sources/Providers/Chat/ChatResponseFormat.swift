import GatewayCore
import WireFormats

/// In which form an answer is asked for.
enum ChatResponseFormat {
    case text
    /// Any one JSON object: where there is no native form, the model is told.
    case object
    case schema(JSONView)
    /// The schema as that of a tool that the model has to call.
    case forcedTool(JSONView)

    /// What a model is told that has no native form for `object`.
    static let objectInstruction = "Answer with one JSON object and nothing else."

    /// What a request asks for, by means that the model has.
    init(_ chat: ChatCompletionRequest, _ model: ChatModel) throws(GatewayError) {
        self = .text
        guard let view = chat["response_format"] else { return }
        switch view.member("type")?.string {
        case "text": break
        case "json_object": self = .object
        case "json_schema":
            guard let schema = view.member("json_schema")?.member("schema"), schema.kind == .object else {
                throw ChatCompletionRequest.refusal("`response_format` of type 'json_schema' must have a schema")
            }
            // A catalogue that says nothing restricts nothing (providers.md §5.1).
            let isNative = model.capabilities.map { $0.contains("schema") || $0.contains("no_forced_tool") } ?? true
            self = isNative ? .schema(schema) : .forcedTool(schema)
        default:
            throw ChatCompletionRequest.refusal(
                "`response_format` must be of type 'text', 'json_object' or 'json_schema'"
            )
        }
    }
}
