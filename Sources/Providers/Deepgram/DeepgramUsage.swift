import GatewayCore
import WireFormats

extension UsageFormat {
    /// Deepgram: duration times channels for transcription, characters of the request for speech.
    static let deepgram = UsageFormat(
        members: [
            Member("metadata") { view, tally in
                guard let duration = view.milliseconds("duration") else { return }
                let channels = min(max(1, view.count("channels") ?? 1), 1000)
                tally.usage.milliseconds = duration * channels
            }
        ],
        asked: Asked(text: "text", modelKey: "model"))
}
