import GatewayCore

/// What Converse accepts depends on whose model it is; its name tells (providers.md §9.1).
struct BedrockModel {
    /// Who made the model, as names on Bedrock say it; nil for names that do not, like those of inference profiles.
    let vendor: String?
    /// What follows the vendor.
    private let rest: Substring

    /// - Parameter name: a model id, with or without geography, or an ARN.
    init(_ name: String) {
        let id = name.split(separator: "/").last ?? ""
        let labels = id.split(separator: ".", omittingEmptySubsequences: false)
        guard let index = labels.firstIndex(where: { Self.vendors.contains(String($0)) }), index < 2 else {
            vendor = nil
            rest = id
            return
        }
        vendor = String(labels[index])
        rest = id[labels[index].endIndex...].dropFirst()
    }

    private static let vendors: Set<String> = [
        "ai21", "amazon", "anthropic", "cohere", "deepseek", "google", "meta", "minimax", "mistral", "moonshot",
        "moonshotai", "nvidia", "openai", "qwen", "twelvelabs", "writer", "xai", "zai",
    ]

    var isClaude: Bool { vendor == "anthropic" }
    var isNova: Bool { vendor == "amazon" && rest.hasPrefix("nova") }
    /// Nova models that can be asked to think.
    var isThinkingNova: Bool { isNova && rest.hasPrefix("nova-2") }

    /// Whether requests with texts to stop at are accepted, as has been observed; otherwise they answer 400.
    var takesStops: Bool {
        switch vendor {
        case "meta", "deepseek", "openai", "qwen", "writer": false
        default: true
        }
    }

    /// Whether a call can be demanded, as has been observed.
    var takesForcedTool: Bool { vendor == nil || isClaude || isNova || vendor == "mistral" }
}
