package import CloudflareWire
package import GatewayCore

/// What a head says by itself: who is addressed, how, and what its directives ask for.
///
/// Equal heads share it.
final class HeadReading: Sendable {
    let address: Address
    let directives: Directives
    let isHeadMethod: Bool
    let isPostMethod: Bool

    init(_ head: RequestHead, _ address: Address, _ directives: Directives) {
        self.address = address
        self.directives = directives
        isHeadMethod = head.withBytes { ("HEAD" as StaticString).equals($0, head.method) }
        isPostMethod = head.withBytes { ("POST" as StaticString).equals($0, head.method) }
    }
}

/// A request as it was addressed and directed, before anything was looked up.
///
/// A reference, like the other facts of a request: they are handed from phase to phase and never change.
package final class Inbound: Sendable {
    package let head: RequestHead
    let reading: HeadReading
    package let receivedAt: Instant
    package let started: ContinuousClock.Instant

    package var address: Address { reading.address }
    package var directives: Directives { reading.directives }
    var isHeadMethod: Bool { reading.isHeadMethod }
    var isPostMethod: Bool { reading.isPostMethod }

    init(head: RequestHead, reading: HeadReading, receivedAt: Instant, started: ContinuousClock.Instant) {
        self.head = head
        self.reading = reading
        self.receivedAt = receivedAt
        self.started = started
    }

    /// Refuses what can lead to no provider, whoever asks.
    @WorkerLoop
    func check(_ limits: WorkerEnvironment.Limits) throws(GatewayError) {
        switch address.surface {
        case .native, .compat: break
        case .universal:
            guard isPostMethod else { throw GatewayError(.methodNotAllowed, origin: .client) }
        case .health, .readiness, .elsewhere:
            throw GatewayError(.noSuchPath, origin: .client)
        }
        // TRACE would show a client the head that the provider got, keys included; CONNECT is no request at all.
        let isForwardable = head.withBytes { bytes in
            !("TRACE" as StaticString).equals(bytes, head.method)
                && !("CONNECT" as StaticString).equals(bytes, head.method)
        }
        guard isForwardable else { throw GatewayError(.methodNotAllowed, origin: .client) }
        if case .length(let count) = head.framing, count > limits.requestBody {
            throw GatewayError(.bodyTooLarge, origin: .client)
        }
    }
}

/// First phase: head bytes become an `Inbound`.
enum Accept {
    /// - Parameters:
    ///   - known: what an equal head was read as.
    ///   - bounds: of the settings that the head asks for.
    static func accept(
        _ head: RequestHead, known: HeadReading?, within bounds: SettingBounds, clock: any WallClock
    ) -> Inbound {
        Inbound(head: head, reading: known ?? read(head, bounds), receivedAt: clock.now, started: clock.monotonic)
    }

    private static func read(_ head: RequestHead, _ bounds: SettingBounds) -> HeadReading {
        HeadReading(
            head, head.withBytes { Address($0, target: head.target) }, Directives.parse(head, within: bounds)
        )
    }
}
