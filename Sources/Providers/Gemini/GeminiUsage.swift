import GatewayCore
import WireFormats

extension UsageFormat {
    /// Gemini, whole, as events, or as a streamed JSON array.
    static let gemini = UsageFormat(
        members: [
            Member("usageMetadata") { GeminiUsage.read($0, &$1) }, Member("modelVersion") { $1.note(model: $0) },
        ],
        event: { GeminiUsage.event($1, &$2) },
        arrayMember: Member("\"usageMetadata\"") { GeminiUsage.read($0, &$1) })
}

extension UsageFormat {
    /// Google's `:predict`: embeddings count their tokens one by one, pictures are counted.
    ///
    /// - Limit: an answer of more than 4 MiB is not read.
    static let googlePredict = UsageFormat(
        members: [Member("predictions") { GeminiUsage.predictions($0, &$1) }], memberLimit: 4 << 20)
}

/// Readers of Gemini's usage metadata.
enum GeminiUsage {
    static func read(_ view: JSONView, _ tally: inout UsageTally) {
        guard view.kind == .object else { return }
        let prompt = view.count("promptTokenCount")
        let tools = view.count("toolUsePromptTokenCount")
        let thoughts = view.count("thoughtsTokenCount")
        let total = view.count("totalTokenCount")
        var candidates = view.count("candidatesTokenCount") ?? view.count("responseTokenCount")
        let input = prompt.map { $0 + (tools ?? 0) }
        // A count of zero is left out; the total shows that it is zero and not unknown.
        if candidates == nil, let input, input + (thoughts ?? 0) == total { candidates = 0 }
        Usage.take(input, &tally.usage.input)
        if let candidates {
            let includesThoughts = (thoughts ?? 0) > 0 && input.map { $0 + candidates } == total
            tally.usage.output = includesThoughts ? candidates : candidates + (thoughts ?? 0)
        } else if let thoughts {
            tally.usage.output = thoughts
        }
        Usage.take(thoughts, &tally.usage.reasoning)
        Usage.take(view.count("cachedContentTokenCount"), &tally.usage.cached)
        modalities(view, &tally.usage)
        if let traffic = view.member("trafficType")?.string {
            if traffic.hasSuffix("FLEX") { tally.usage.serviceTier = "flex" }
            if traffic.hasSuffix("PRIORITY") { tally.usage.serviceTier = "priority" }
        }
    }

    private static func modalities(_ view: JSONView, _ usage: inout Usage) {
        var input = Modalities()
        input.add(view.member("promptTokensDetails"))
        input.add(view.member("toolUsePromptTokensDetails"))
        Usage.take(input.audio, &usage.inputAudio)
        Usage.take(input.image, &usage.inputImage)
        Usage.take(input.video, &usage.inputVideo)
        var cached = Modalities()
        cached.add(view.member("cacheTokensDetails"))
        Usage.take(cached.audio, &usage.cachedAudio)
        Usage.take(cached.image, &usage.cachedImage)
        var output = Modalities()
        output.add(view.member("candidatesTokensDetails") ?? view.member("responseTokensDetails"))
        Usage.take(output.audio, &usage.outputAudio)
        Usage.take(output.image, &usage.outputImage)
        Usage.take(output.video, &usage.outputVideo)
    }

    /// Token counts by kind of content.
    private struct Modalities {
        var audio: Int?
        var image: Int?
        var video: Int?

        mutating func add(_ details: JSONView?) {
            guard let details else { return }
            var sums = self
            details.forEachElement { part in
                guard let count = part.count("tokenCount") else { return }
                switch part.member("modality")?.string {
                case "AUDIO": sums.audio = (sums.audio ?? 0) + count
                case "IMAGE": sums.image = (sums.image ?? 0) + count
                case "VIDEO": sums.video = (sums.video ?? 0) + count
                default: break
                }
            }
            self = sums
        }
    }

    static func predictions(_ list: JSONView, _ tally: inout UsageTally) {
        var (tokens, images): (Int?, Int?)
        list.forEachElement { prediction in
            let embeddings = prediction.member("embeddings")
            if let count = embeddings?.member("statistics")?.count("token_count") { tokens = (tokens ?? 0) + count }
            if prediction.member("mimeType")?.string?.hasPrefix("image/") == true { images = (images ?? 0) + 1 }
        }
        Usage.take(tokens, &tally.usage.input)
        Usage.take(images, &tally.usage.images)
    }

    static func event(_ data: UnsafeRawBufferPointer, _ tally: inout UsageTally) {
        if tally.looksForModel() {
            tally.note(model: JSONView(data).member("modelVersion"))
        }
        if !tally.expectsTerminal { tally.expectsTerminal = JSONView(data).member("candidates")?.firstElement != nil }
        if data.value(ofKey: "\"finishReason\"") != nil { tally.sawTerminal = true }
        if let usage = data.object(ofKey: "\"usageMetadata\"") { read(usage, &tally) }
        if data.value(ofKey: "\"error\"") != nil { tally.sawErrorEvent = true }
    }
}
