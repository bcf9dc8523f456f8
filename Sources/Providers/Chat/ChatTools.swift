import GatewayCore
import WireFormats

/// The functions that a model may call, and which of them it shall call (providers.md §6.1).
struct ChatTools {
    enum Choice: Equatable {
        case auto, none, required
        case named(String)
    }

    struct Function {
        var name: String
        var description: String?
        /// JSON Schema of the arguments; nil: none was given.
        var parameters: JSONView?
        var isStrict = false
        var cacheControl: JSONView?
    }

    private(set) var functions: [Function] = []
    /// Nil: the client did not say.
    private(set) var choice: Choice?
    /// Whether the model may make several calls in one turn.
    private(set) var allowsParallel = true
    /// Whether the client uses the deprecated `functions`.
    private(set) var style = ChatTerms.CallStyle.tools

    init(_ members: [String: JSONView]) throws(GatewayError) {
        allowsParallel = members["parallel_tool_calls"]?.bool ?? true
        var failure: GatewayError?
        var functions: [Function] = []
        members["tools"]?.forEachElement { tool in
            let type = tool.member("type")?.string ?? ""
            guard type == "function", let function = tool.member("function") else {
                failure = ChatCompletionRequest.refusal("tools of type '\(type)' are not supported by this provider")
                return
            }
            do throws(GatewayError) {
                functions.append(try Self.function(function, around: tool))
            } catch {
                failure = error
            }
        }
        if functions.isEmpty, let legacy = members["functions"] {
            style = .function
            allowsParallel = false
            legacy.forEachElement { function in
                do throws(GatewayError) {
                    functions.append(try Self.function(function, around: function))
                } catch {
                    failure = error
                }
            }
        }
        if let failure { throw failure }
        self.functions = functions
        try choose(style == .function ? members["function_call"] : members["tool_choice"])
    }

    private static func function(_ view: JSONView, around tool: JSONView) throws(GatewayError) -> Function {
        guard let name = view.member("name")?.string, !name.isEmpty else {
            throw ChatCompletionRequest.refusal("every tool must have a name")
        }
        var function = Function(name: name, description: view.member("description")?.string)
        function.parameters = view.member("parameters").flatMap { $0.kind == .object ? $0 : nil }
        function.isStrict = view.member("strict")?.bool ?? false
        let cacheControl = tool.member("cache_control") ?? view.member("cache_control")
        function.cacheControl = cacheControl.flatMap { $0.kind == .object ? $0 : nil }
        return function
    }

    private mutating func choose(_ view: JSONView?) throws(GatewayError) {
        guard let view else { return }
        if let word = view.string {
            switch word {
            case "auto": choice = .auto
            case "none": choice = ChatTools.Choice.none
            case "required": choice = .required
            default: throw ChatCompletionRequest.refusal("`tool_choice` '\(word)' is not known")
            }
            return
        }
        let type = view.member("type")?.string ?? (style == .function ? "function" : "")
        switch type {
        case "function":
            guard let name = (view.member("function") ?? view).member("name")?.string else {
                throw ChatCompletionRequest.refusal("`tool_choice` must name a function")
            }
            choice = .named(name)
        case "allowed_tools":
            guard let allowed = view.member("allowed_tools") else {
                throw ChatCompletionRequest.refusal("`tool_choice` of type 'allowed_tools' must list them")
            }
            var names: Set<String> = []
            allowed.member("tools")?.forEachElement { tool in
                if let name = (tool.member("function") ?? tool).member("name")?.string { names.insert(name) }
            }
            functions.removeAll { !names.contains($0.name) }
            choice = allowed.member("mode")?.string == "required" ? .required : .auto
        default:
            throw ChatCompletionRequest.refusal("`tool_choice` of type '\(type)' is not supported by this provider")
        }
    }
}
