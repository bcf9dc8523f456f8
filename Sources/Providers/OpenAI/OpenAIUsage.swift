import GatewayCore
import WireFormats

extension UsageFormat {
    /// Changes what the common members said, with what only one provider reports in its `usage` object.
    typealias Adjustment = @Sendable (_ usage: JSONView, _ tally: inout UsageTally) -> Void

    /// Chat, completions, embeddings, Responses and transcriptions.
    static let openAI = openAIShaped()

    static let openAIImages = openAIShaped(members: [
        // Models that report no usage are billed by the picture.
        Member("data") { data, tally in
            guard tally.usage.input == nil, tally.usage.output == nil else { return }
            tally.usage.images = data.elementCount
        }
    ])

    static let openAISpeech: UsageFormat = {
        var format = openAIShaped()
        format.spokenMember = "input"
        return format
    }()

    /// OpenAI's format with a provider's own additions.
    ///
    /// - Parameter members: further top-level members, read after `usage`.
    static func openAIShaped(
        members: [Member] = [], adjust: @escaping Adjustment = { _, _ in }
    ) -> UsageFormat {
        let read: @Sendable (JSONView, inout UsageTally) -> Void = { view, tally in
            guard view.kind == .object else { return }
            OpenAIUsage.counters(view, &tally.usage)
            adjust(view, &tally)
        }
        var format = UsageFormat(
            members: [.model, Member("usage", read), OpenAIUsage.serviceTier, OpenAIUsage.toolUsage] + members)
        format.event = { name, data, tally in
            OpenAIUsage.event(name, data, &tally, read: read)
        }
        return format
    }
}

extension JSONView {
    var elementCount: Int? {
        guard kind == .array else { return nil }
        var count = 0
        forEachElement { _ in count += 1 }
        return count
    }
}

/// Readers of OpenAI's usage objects; Chat and Responses names alike.
enum OpenAIUsage {
    static let serviceTier = UsageFormat.Member("service_tier") { view, tally in
        if let tier = view.string, tier.utf8.count <= 32 { tally.usage.serviceTier = tier }
    }

    static let toolUsage = UsageFormat.Member("tool_usage") { view, tally in
        Usage.take(view.member("web_search")?.count("num_requests"), &tally.usage.webSearches)
    }

    static func counters(_ view: JSONView, _ usage: inout Usage) {
        Usage.take(view.count("prompt_tokens") ?? view.count("input_tokens"), &usage.input)
        Usage.take(view.count("completion_tokens") ?? view.count("output_tokens"), &usage.output)
        Usage.take(view.count("prompt_cache_hit_tokens"), &usage.cached)
        if let seconds = view.milliseconds("seconds") ?? view.milliseconds("prompt_audio_seconds") {
            usage.milliseconds = seconds
        }
        if let details = view.member("prompt_tokens_details") ?? view.member("input_tokens_details")
            ?? view.member("input_token_details")
        {
            Usage.take(details.count("cached_tokens") ?? details.count("cache_read_input_tokens"), &usage.cached)
            Usage.take(details.count("audio_tokens"), &usage.inputAudio)
            Usage.take(details.count("image_tokens"), &usage.inputImage)
            Usage.take(details.count("video_tokens"), &usage.inputVideo)
            writes(details, &usage)
            if let split = details.member("cached_tokens_details") {
                Usage.take(split.count("audio_tokens"), &usage.cachedAudio)
                Usage.take(split.count("image_tokens"), &usage.cachedImage)
            }
        }
        if let details = view.member("completion_tokens_details") ?? view.member("output_tokens_details")
            ?? view.member("output_token_details")
        {
            Usage.take(details.count("reasoning_tokens"), &usage.reasoning)
            Usage.take(details.count("audio_tokens"), &usage.outputAudio)
            Usage.take(details.count("image_tokens"), &usage.outputImage)
        }
    }

    private static func writes(_ details: JSONView, _ usage: inout Usage) {
        let split = details.member("cache_write_tokens_details")
        if let short = split?.count("ttl_30m_tokens"), let long = split?.count("ttl_12h_tokens") {
            usage.cacheWrite5m = short
            usage.cacheWrite12h = long
        } else {
            Usage.take(details.count("cache_write_tokens"), &usage.cacheWrite5m)
        }
    }

    static func event(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally,
        read: (JSONView, inout UsageTally) -> Void
    ) {
        if data.isText("[DONE]") {
            tally.sawTerminal = true
            return
        }
        if !tally.hasLookedForModel { lookForModel(data, &tally) }
        if name.count > 9, UnsafeRawBufferPointer(rebasing: name[..<9]).isText("response.") {
            responsesEvent(name, data, &tally, read: read)
            return
        }
        if data.value(ofKey: "\"finish_reason\"") != nil { tally.sawTerminal = true }
        if name.isText("error") || data.value(ofKey: "\"error\"") != nil { tally.sawErrorEvent = true }
        guard let view = data.object(ofKey: "\"usage\"") else { return }
        tally.sawTerminal = tally.sawTerminal || isTerminalUsage(name, data)
        read(view, &tally)
        if let tier = JSONView(data).member("service_tier") { serviceTier.read(tier, &tally) }
    }

    /// Events of the Responses API echo the caller's tool schemas, so their usage is looked for in its place only.
    private static func responsesEvent(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally,
        read: (JSONView, inout UsageTally) -> Void
    ) {
        let failed = name.isText("response.failed")
        guard failed || name.isText("response.completed") || name.isText("response.incomplete") else { return }
        tally.sawTerminal = true
        if failed { tally.sawErrorEvent = true }
        guard let response = JSONView(data).member("response") else { return }
        if let usage = response.member("usage") { read(usage, &tally) }
        if let tier = response.member("service_tier") { serviceTier.read(tier, &tally) }
        if let tools = response.member("tool_usage") { toolUsage.read(tools, &tally) }
    }

    /// Some providers repeat running usage on every chunk; only a chunk without choices ends with it.
    private static func isTerminalUsage(_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Bool {
        guard name.isEmpty, let choices = JSONView(data).member("choices") else { return false }
        return choices.firstElement == nil
    }

    private static func lookForModel(_ data: UnsafeRawBufferPointer, _ tally: inout UsageTally) {
        tally.hasLookedForModel = true
        let view = JSONView(data)
        tally.note(model: view.member("model") ?? view.member("response")?.member("model"))
    }
}
