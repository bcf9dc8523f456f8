/// What a Gemini model can take, by its name and what the catalogue says (providers.md §8).
struct GeminiModel {
    let facts: ChatModel
    /// The name in paths, without `models/` or a publisher.
    let name: String
    /// The tenfold version: 25 is 2.5.
    ///
    /// Names that tell none, such as `gemini-flash-latest`, stand for the newest.
    private let generation: Int
    private let isGemma: Bool

    init(_ facts: ChatModel) {
        self.facts = facts
        var name = facts.name[...]
        for prefix in ["google/", "models/"] where name.hasPrefix(prefix) { name = name.dropFirst(prefix.count) }
        self.name = String(name)
        isGemma = name.hasPrefix("gemma")
        generation = Self.generation(of: name)
    }

    private static func generation(of name: Substring) -> Int {
        let newest = Int.max
        guard name.hasPrefix("gemini-") else { return newest }
        let parts = name.dropFirst(7).prefix { $0 != "-" }.split(separator: ".", omittingEmptySubsequences: false)
        guard let first = parts.first, let major = Int(first), (0..<1000).contains(major) else { return newest }
        guard parts.count > 1, let minor = Int(parts[1]), (0..<10).contains(minor) else { return major * 10 }
        return major * 10 + minor
    }

    /// Whether the model is one that its owner made of another.
    var isTuned: Bool { name.hasPrefix(Self.tuned) }
    private static let tuned = "tunedModels/"

    /// Whether the name can stand in a path.
    var isNameSound: Bool {
        UntrustedPath.isModelName(isTuned ? name.dropFirst(Self.tuned.utf8.count) : name[...])
    }

    /// Whether calls and their results carry ids; older models refuse them.
    var takesCallIDs: Bool { generation >= 30 && !isGemma }
    /// Whether a call without its signature is refused.
    var demandsSignatures: Bool { generation >= 30 && !isGemma }
    /// Whether the model knows signatures at all.
    var knowsSignatures: Bool { generation >= 25 && !isGemma }
    /// Whether a result may contain images.
    var takesMediaInResults: Bool { generation >= 30 && !isGemma }
    /// Whether every image may say how closely it is looked at.
    var takesMediaResolution: Bool { generation >= 30 && !isGemma }
    var takesPenalties: Bool { generation < 30 || isGemma }
    var takesSampling: Bool { !facts.has("no_sampling") }
    var takesSystem: Bool {
        if facts.has("no_system") { return false }
        return !["gemma-1", "gemma-2", "gemma-3"].contains { name.hasPrefix($0) }
    }
    /// Whether schemas may be plain JSON Schema; before that they were a subset of OpenAPI's.
    var takesJSONSchema: Bool { generation >= 20 }
    /// Whether a search and functions can be offered together.
    var mixesSearchWithFunctions: Bool { generation >= 30 }

    /// How the model is told how much to think.
    enum ThinkingControl { case none, budget, level }

    var thinkingControl: ThinkingControl {
        if isGemma || generation < 25 { return .none }
        if ["image", "embedding", "tts", "banana"].contains(where: { name.contains($0) }) { return .none }
        if let known = facts.capabilities, !known.contains("reasoning") { return .none }
        return generation < 30 ? .budget : .level
    }

    /// The least number of tokens that the model thinks with.
    var leastBudget: Int { name.contains("pro") ? 128 : 0 }
    /// Whether the model knows the level below `low`.
    var hasMinimalLevel: Bool { facts.has("minimal") || name.contains("flash") }
}
