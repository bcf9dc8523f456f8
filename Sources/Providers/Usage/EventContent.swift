import WireFormats

/// Tells which events of a provider's stream say something to its reader, in every dialect that the gateway knows.
///
/// An event of a dialect that it does not know says something, unless it is empty.
package enum EventContent {
    /// Events that only announce what will come, or keep the connection alive.
    private static let announcements: [StaticString] = [
        "ping", "message_start", "content_block_start", "response.created", "response.in_progress",
        "response.output_item.added", "response.content_part.added", "response.queued", "messageStart",
        "contentBlockStart", "message-start", "content-start",
    ]

    /// Whether an event has content, an end or an error for its reader (decisions 26).
    package static func isSaid(_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Bool {
        guard data.count > 0 else { return EventReader.isException(name) }
        if announcements.contains(where: name.isText) { return false }
        let event = JSONView(data)
        guard let choice = event.member("choices")?.firstElement else { return !isCountAlone(event) }
        if let reason = choice.member("finish_reason"), !reason.isNull { return true }
        guard let delta = choice.member("delta") else { return true }
        // A chunk that gives the role alone is OpenAI's way of announcing.
        var says = false
        delta.forEachMember { key, value in
            if key != "role", !value.isNull, value.string?.isEmpty != true { says = true }
        }
        return says
    }

    /// Whether an event of Gemini's tells what was used so far, and nothing else (providers.md §8.5).
    private static func isCountAlone(_ event: JSONView) -> Bool {
        guard event.member("usageMetadata") != nil, event.member("promptFeedback") == nil else { return false }
        guard let candidate = event.member("candidates")?.firstElement else { return event.member("error") == nil }
        return candidate.member("finishReason") == nil && candidate.member("content")?.member("parts") == nil
    }
}
