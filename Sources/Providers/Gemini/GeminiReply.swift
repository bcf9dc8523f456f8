import GatewayCore
import NIOCore
import WireFormats

/// Reads a whole answer (providers.md §8.2).
enum GeminiReply {
    /// Candidates of one answer that are read.
    static let choiceLimit = 128

    /// The answer in OpenAI's terms; nil when it is none of Gemini's.
    static func read(_ view: JSONView, _ terms: ChatTerms) -> ChatCompletion? {
        var completion = ChatCompletion()
        completion.id = view.member("responseId")?.string ?? ""
        completion.model = view.member("modelVersion")?.string ?? terms.model
        var choices: [(index: Int, choice: ChatChoice)] = []
        view.member("candidates")?.forEachElement { candidate in
            guard choices.count < choiceLimit else { return }
            let index = candidate.member("index")?.int ?? 0
            choices.append((index, read(candidate: candidate, id: completion.id)))
        }
        choices.sort { $0.index < $1.index }
        if choices.isEmpty {
            guard isBlocked(view.member("promptFeedback")) else { return nil }
            var choice = ChatChoice()
            choice.finish = .contentFilter
            choices = [(0, choice)]
        }
        completion.choices = choices.map(\.choice)
        if let usage = view.member("usageMetadata") {
            var tally = UsageTally()
            GeminiUsage.read(usage, &tally)
            tally.usage.normalize()
            completion.usage = tally.usage
            completion.serviceTier = tally.usage.serviceTier
        }
        return completion
    }

    /// Whether the question itself was refused.
    static func isBlocked(_ feedback: JSONView?) -> Bool {
        feedback?.member("blockReason")?.kind == .string
    }

    private static func read(candidate: JSONView, id: String) -> ChatChoice {
        var choice = ChatChoice()
        var isSilent = true
        candidate.member("content")?.member("parts")?.forEachElement { part in
            guard let part = GeminiPart(part) else { return }
            isSilent = false
            switch part {
            case .text(let text): choice.append(text: text.string ?? "")
            case .reasoning(let text): choice.reasoning += text.string ?? ""
            case .call(let call, let signature):
                choice.calls.append(ChatCall(gemini: call, signature: signature))
            case .image(let data): choice.images.append(GeminiPart.imageJSON(data, at: choice.images.count))
            case .audio(let data): choice.audio = GeminiPart.audioJSON(data, id: id)
            case .aside(let text): choice.append(text: text)
            }
        }
        choice.isSilent = isSilent
        choice.finish = ChatFinish(gemini: candidate.member("finishReason"), isSilent: isSilent)
        choice.logprobs = GeminiLogprobs.json(candidate)
        if let grounding = candidate.member("groundingMetadata") {
            choice.annotations = GeminiGrounding.annotations(grounding, text: choice.text, length: choice.textLength)
        }
        return choice
    }
}
