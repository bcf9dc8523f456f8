import GatewayCore
import Providers

/// What the path of a native call says, worked out once for all equal calls of a connection.
final class NativeRoute: Sendable {
    let provider: Provider
    let target: UpstreamTarget
    /// The model that the path names.
    let model: String?
    let usageFormat: UsageFormat
    /// What kind of model the path calls.
    let modelType: String?
    /// Path below the provider segment, as logs show it.
    let path: String
    let isSandbox: Bool

    init(provider: Provider, target: UpstreamTarget, model: String?, path: String) {
        self.provider = provider
        self.target = target
        self.model = model
        self.path = path
        isSandbox = provider.definition.service == .sandbox
        usageFormat = provider.definition.usageFormat(path: target.path)
        var text = path
        modelType = text.withUTF8 { ModelType.of(path: UnsafeRawBufferPointer($0)) }
    }
}
