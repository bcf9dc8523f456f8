import GatewayCore
import WireFormats

extension UsageFormat {
    /// Parallel: `usage` lists billed units by name.
    ///
    /// Units of several kinds have several prices and are not summed.
    static let parallel = UsageFormat(members: [
        .model,
        Member("usage") { view, tally in
            guard view.elementCount == 1 else { return }
            Usage.take(view.firstElement?.count("count"), &tally.usage.requests)
        },
    ])
}
