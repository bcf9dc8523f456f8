import GatewayCore
import WireFormats

extension UsageFormat {
    /// fal: the pictures in the answer.
    static let fal = UsageFormat(
        members: [Member("images") { $1.usage.images = $0.elementCount }], memberLimit: 262_144)
}
