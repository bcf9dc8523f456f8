package import GatewayCore

/// What the last requests of one client connection resolved to, so that equal ones skip the look-ups.
///
/// Valid for one snapshot; a new snapshot empties it.
@WorkerLoop
package final class ConnectionMemo {
    private var index: SnapshotIndex?
    private var prefix: [UInt8] = []
    private var plan: GatewayPlan?
    private var tokens: [(text: [UInt8], grant: TokenGrant?)] = []
    /// Different credential texts that are remembered; two is what one client sends.
    private static let tokenLimit = 4

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
        guard let plan, prefix.count == bytes.count, prefix.elementsEqual(bytes) else { return nil }
        return plan
    }

    package func remember(_ bytes: UnsafeRawBufferPointer, _ plan: GatewayPlan) {
        prefix = Array(bytes)
        self.plan = plan
    }

    /// The grant of a credential text, found or known to be none.
    package func grant(
        _ text: UnsafeRawBufferPointer, in current: SnapshotIndex, hasher: any TokenHasher
    ) -> TokenGrant? {
        use(current)
        for entry in tokens where entry.text.count == text.count && entry.text.elementsEqual(text) {
            return entry.grant
        }
        let grant = current.grant(hash: hasher.hash(text))
        if tokens.count == Self.tokenLimit { tokens.removeFirst() }
        tokens.append((Array(text), grant))
        return grant
    }
}
