import CloudflareWire
package import GatewayCore

/// What the last requests of one client connection resolved to, so that equal ones skip the look-ups.
///
/// Valid for one snapshot; a new snapshot empties it.
@WorkerLoop
package final class ConnectionMemo {
    private var index: SnapshotIndex?
    private var prefix: [UInt8] = []
    private var plan: GatewayPlan?
    private var routeKey: [UInt8] = []
    private var route: NativeRoute?
    private var tokens: [(text: [UInt8], grant: Granted?)] = []
    private var head: HeadMemory?
    /// Different credential texts that are remembered; two or three is what one client sends.
    private static let tokenLimit = 8

    package nonisolated init() {}

    private func use(_ current: SnapshotIndex) {
        guard index !== current else { return }
        index = current
        plan = nil
        prefix = []
        tokens = []
        head = nil
        // An account's own provider is part of the snapshot.
        routeKey = []
        route = nil
    }

    /// What is known of a head, if it equals the last one.
    func memory(of other: RequestHead, in current: SnapshotIndex) -> HeadMemory? {
        use(current)
        guard let head, head.isSame(as: other) else { return nil }
        return head
    }

    func remember(
        _ inbound: Inbound, _ credentials: Credentials, _ gateway: GatewayPlan, _ settings: CallSettings
    ) -> HeadMemory? {
        head = HeadMemory(inbound, credentials, gateway, settings)
        return head
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

    /// The route last worked out for the same target bytes.
    func route(_ target: UnsafeRawBufferPointer) -> NativeRoute? {
        guard let route, target.isSame(as: routeKey) else { return nil }
        return route
    }

    func remember(_ target: UnsafeRawBufferPointer, _ route: NativeRoute) {
        routeKey = Array(target)
        self.route = route
    }

    /// The grant of a credential text, found or known to be none.
    func grant(
        _ text: UnsafeRawBufferPointer, in current: SnapshotIndex, hasher: any TokenHasher
    ) -> Granted? {
        use(current)
        for index in tokens.indices where text.isSame(as: tokens[index].text) { return tokens[index].grant }
        let grant = current.grant(hash: hasher.hash(text)).map { Granted($0) }
        if tokens.count == Self.tokenLimit { tokens.removeFirst() }
        tokens.append((Array(text), grant))
        return grant
    }
}
