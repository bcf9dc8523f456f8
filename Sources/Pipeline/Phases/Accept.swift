package import CloudflareWire
package import GatewayCore

/// A request as it was addressed and directed, before anything was looked up.
///
/// A reference, like the other facts of a request: they are handed from phase to phase and never change.
package final class Inbound: Sendable {
    package let head: RequestHead
    package let address: Address
    package let directives: Directives
    package let receivedAt: Instant
    package let started: ContinuousClock.Instant

    init(
        head: RequestHead, address: Address, directives: Directives, receivedAt: Instant,
        started: ContinuousClock.Instant
    ) {
        self.head = head
        self.address = address
        self.directives = directives
        self.receivedAt = receivedAt
        self.started = started
    }
}

/// First phase: head bytes become an `Inbound`.
enum Accept {
    static func accept(_ head: RequestHead, clock: any WallClock) -> Inbound {
        let address = head.withBytes { Address($0, target: head.target) }
        return Inbound(
            head: head, address: address, directives: Directives.parse(head), receivedAt: clock.now,
            started: clock.monotonic
        )
    }
}
