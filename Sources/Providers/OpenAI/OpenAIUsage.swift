import GatewayCore
import WireFormats

extension UsageFormat {
    /// Changes what the common members said, with what only one provider reports in its `usage` object.
    typealias Adjustment = @Sendable (_ usage: JSONView, _ tally: inout UsageTally) -> Void

    /// Chat, completions, embeddings, Responses and transcriptions.
    package static let openAI = openAIShaped()

    /// Pictures: no answer names the model, and the request may be a form.
    static let openAIImages = openAIShaped(
        members: [
            // Models that report no usage are billed by the picture.
            Member(counting: "data") { count, tally in
                if tally.usage.input == nil, tally.usage.output == nil { tally.usage.images = count }
            }
        ],
        asked: Asked(model: "model"))

    /// Transcriptions: tokens or seconds; the request, which is a form, names the model.
    static let openAITranscription = openAIShaped(
        members: [
            Member("duration") { view, tally in
                // Detailed answers of older models say it apart.
                if tally.usage.milliseconds == nil, tally.usage.input == nil {
                    tally.usage.milliseconds = view.milliseconds
                }
            }
        ],
        asked: Asked(model: "model"))

    static let openAISpeech = openAIShaped(asked: Asked(text: "input"))

    /// OpenAI's format with a provider's own additions.
    ///
    /// - Parameters:
    ///   - members: further top-level members, read after `usage`.
    ///   - laterEvent: what an event says beyond OpenAI's own.
    static func openAIShaped(
        members: [Member] = [], adjust: Adjustment? = nil, laterEvent: Event? = nil, arrayMember: Member? = nil,
        asked: Asked = Asked(), memberLimit: Int = usualMemberLimit
    ) -> UsageFormat {
        let read: @Sendable (JSONView, inout UsageTally) -> Void = { view, tally in
            guard view.kind == .object else { return }
            OpenAIUsage.counters(view, &tally.usage)
            adjust?(view, &tally)
        }
        return UsageFormat(
            members: [.model, Member("usage", read), OpenAIUsage.serviceTier, OpenAIUsage.toolUsage] + members,
            event: { name, data, tally in
                OpenAIUsage.event(name, data, &tally, read: read)
                laterEvent?(name, data, &tally)
            },
            arrayMember: arrayMember, asked: asked, memberLimit: memberLimit)
    }
}

extension JSONView {
    var elementCount: Int? {
        guard kind == .array else { return nil }
        var count = 0
        forEachElement { _ in count += 1 }
        return count
    }

    /// Strings, objects and lists in a list, as `JSONCapture` counts them.
    var pieceCount: Int? {
        guard kind == .array else { return nil }
        var count = 0
        forEachElement { if [.string, .object, .array].contains($0.kind) { count += 1 } }
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

    static func counters(_ view: JSONView, _ usage: inout Usage) { OpenAICounters(view).read(into: &usage) }

    static func event(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally,
        read: (JSONView, inout UsageTally) -> Void
    ) {
        if data.isText("[DONE]") {
            tally.sawTerminal = true
            return
        }
        if tally.looksForModel() { lookForModel(data, &tally) }
        // Everything but chat names its events, in the frame or only inside the data.
        if name.isEmpty, data.begins(with: "{\"type\":\""), let type = JSONView(data).member("type")?.string {
            var type = type
            type.withUTF8 { namedEvent(UnsafeRawBufferPointer($0), data, &tally, read: read) }
            return
        }
        if !name.isEmpty, !name.isText("message"), !name.isText("error") {
            namedEvent(name, data, &tally, read: read)
            return
        }
        if !tally.expectsTerminal { tally.expectsTerminal = JSONView(data).member("choices")?.firstElement != nil }
        if data.value(ofKey: "\"finish_reason\"") != nil { tally.sawTerminal = true }
        if name.isText("error") || data.value(ofKey: "\"error\"") != nil { tally.sawErrorEvent = true }
        guard let view = data.object(ofKey: "\"usage\"") else { return }
        tally.sawTerminal = tally.sawTerminal || isTerminalUsage(name, data)
        read(view, &tally)
        if let tier = JSONView(data).member("service_tier") { serviceTier.read(tier, &tally) }
    }

    private static func namedEvent(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally,
        read: (JSONView, inout UsageTally) -> Void
    ) {
        if name.begins(with: "response.") { return responsesEvent(name, data, &tally, read: read) }
        if name.isText("error") || data.value(ofKey: "\"error\"") != nil { tally.sawErrorEvent = true }
        let isEnd =
            name.isText("image_generation.completed") || name.isText("image_edit.completed")
            || name.isText("transcript.text.done") || name.isText("speech.audio.done")
        if isEnd { tally.sawTerminal = true }
        if let view = JSONView(data).member("usage"), view.kind == .object { read(view, &tally) }
        if data.value(ofKey: "\"finish_reason\"") != nil { tally.sawTerminal = true }
    }

    /// Events of the Responses API echo the caller's tool schemas, so their usage is looked for in its place only.
    private static func responsesEvent(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally,
        read: (JSONView, inout UsageTally) -> Void
    ) {
        tally.expectsTerminal = true
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
        let view = JSONView(data)
        tally.note(model: view.member("model") ?? view.member("response")?.member("model"))
    }
}
