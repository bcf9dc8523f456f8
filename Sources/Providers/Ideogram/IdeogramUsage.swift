import GatewayCore
import WireFormats

extension UsageFormat {
    /// Ideogram: the pictures in the answer.
    static let ideogram = UsageFormat(members: [Member(counting: "data") { $1.usage.images = $0 }])
}
