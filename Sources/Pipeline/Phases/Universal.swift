import CloudflareWire
import GatewayCore
import NIOCore

/// Expands the body of the universal endpoint into calls like any other (data-plane §1.3).
@WorkerLoop
struct Universal {
    /// A step as the client wrote it, with a head of its own.
    struct Step {
        let head: RequestHead
        let address: Address
        let settings: StepSettings
        /// The `query`, byte for byte.
        let body: ByteBuffer
    }

    let environment: WorkerEnvironment
    let memo: ConnectionMemo

    /// All steps of a request; refuses the request when one of them could never be called (data-plane §13 #22).
    func steps(_ admitted: Admitted, body: ByteBuffer) throws(GatewayError) -> [Step] {
        let outer = admitted.inbound
        let parsed = try UniversalBody.parse(
            body, under: outer.head, at: outer.address, within: environment.limits.settings
        )
        var steps: [Step] = []
        steps.reserveCapacity(parsed.count)
        for step in parsed {
            let head = step.head
            let address = head.withBytes { Address($0, target: head.target) }
            switch address.surface {
            case .compat: break
            case .native where try environment.provider(segment: head.text(address.provider), admitted) != nil: break
            default: throw GatewayError(.invalidProvider, origin: .client, detail: "unknown provider in a step")
            }
            let settings = StepSettings(
                headers: Directives.parse(head, within: environment.limits.settings), config: step.config
            )
            steps.append(Step(head: head, address: address, settings: settings, body: step.body))
        }
        return steps
    }

    /// The step as a request of its own, by whoever sent the whole, beginning now.
    func admit(_ step: Step, _ outer: Admitted) -> Admitted {
        let inbound = Inbound(
            head: step.head, reading: HeadReading(step.head, step.address, step.settings.headers),
            receivedAt: environment.clock.now, started: environment.clock.monotonic
        )
        let settings = CallSettings.resolve(
            step: step.settings, request: outer.inbound.directives, gateway: outer.gateway,
            within: environment.limits.settings
        )
        return Admit(environment: environment, memo: memo).admit(step: inbound, settings, of: outer)
    }
}

extension GatewayError {
    /// Whether a request goes on with its next step after this (data-plane §13 #3).
    var allowsFallback: Bool {
        switch kind {
        case .rateLimited, .limitStateUnavailable, .notReady, .unauthorized: false
        default: true
        }
    }
}
