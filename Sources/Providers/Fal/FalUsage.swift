import GatewayCore
import WireFormats

extension UsageFormat {
    /// fal: the pictures in the answer, or how long its film lasts where it says so.
    static let fal = UsageFormat(
        members: [
            Member(counting: "images") { $1.usage.images = $0 },
            Member("video") { Usage.take($0.milliseconds("duration"), &$1.usage.milliseconds) },
        ])
}
