package import GatewayCore

/// What the last requests of one client connection resolved to, so that equal ones skip the look-ups.
///
/// Valid for one snapshot; a new snapshot empties it.
@WorkerLoop
package final class ConnectionMemo {
    private var index: SnapshotIndex?
    private var prefix: [UInt8] = []
    private var plan: GatewayPlan?
    private var segment: [UInt8] = []
    private var provider: Provider?
    private var tokens: [(text: [UInt8], grant: TokenGrant?)] = []
    /// Different credential texts that are remembered; two or three is what one client sends.
    private static let tokenLimit = 8

    package nonisolated init() {}

    private func use(_ current: SnapshotIndex) {
        guard index !== current else { return }
        index = current
        plan = nil
        prefix = []
        tokens = []
    }

    /// The gateway last found for the same account and gateway bytes.
    package func gateway(_ bytes: UnsafeRawBufferPointer, in current: SnapshotIndex) -> GatewayPlan? {
        use(current)
        guard let plan, bytes.isSame(as: prefix) else { return nil }
        return plan
    }

    package func remember(_ bytes: UnsafeRawBufferPointer, _ plan: GatewayPlan) {
        prefix = Array(bytes)
        self.plan = plan
    }

    /// The provider of the segment, asked from `find` when it is another than last time.
    func provider(_ segment: UnsafeRawBufferPointer, find: (String) -> Provider?) -> Provider? {
        if let provider, segment.isSame(as: self.segment) { return provider }
        provider = find(String(decoding: segment, as: UTF8.self))
        self.segment = Array(segment)
        return provider
    }

    /// The grant of a credential text, found or known to be none.
    package func grant(
        _ text: UnsafeRawBufferPointer, in current: SnapshotIndex, hasher: any TokenHasher
    ) -> TokenGrant? {
        use(current)
        for entry in tokens where text.isSame(as: entry.text) {
            return entry.grant
        }
        let grant = current.grant(hash: hasher.hash(text))
        if tokens.count == Self.tokenLimit { tokens.removeFirst() }
        tokens.append((Array(text), grant))
        return grant
    }
}
