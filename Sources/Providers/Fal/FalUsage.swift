import GatewayCore
import WireFormats

extension UsageFormat {
    /// fal: the pictures in the answer.
    static let fal: UsageFormat = {
        var format = UsageFormat(members: [Member("images") { $1.usage.images = $0.elementCount }])
        format.memberLimit = 262_144
        return format
    }()
}
