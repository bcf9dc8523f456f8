import WireFormats

extension ChatFinish {
    /// Why a candidate ended (providers.md §8.2); nil when it was not said.
    ///
    /// - Parameter isSilent: whether nothing was said before.
    init?(gemini reason: JSONView?, isSilent: Bool) {
        guard let word = reason?.string, !word.isEmpty else { return nil }
        switch word {
        case "STOP", "FINISH_REASON_UNSPECIFIED", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL",
            "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE":
            self = .stop
        case "MAX_TOKENS", "CONTINUATION": self = .length
        case "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "IMAGE_OTHER", "NO_IMAGE", "ESCALATION", "MODEL_ARMOR",
            "PUP_LIMITED_DISABLED":
            self = .contentFilter
        default: self = isSilent ? .contentFilter : .stop
        }
    }
}
