import GatewayCore
import WireFormats

extension UsageFormat {
    /// Mistral: OpenAI's members, and pages for document recognition.
    static let mistral = openAIShaped(members: [
        Member("usage_info") { Usage.take($0.count("pages_processed"), &$1.usage.pages) }
    ])
}
