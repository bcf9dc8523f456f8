/// A seat in the fleet: what a child is for.
///
/// At most one process sits in a seat at a time.
package enum FleetRole: Sendable, Hashable, CustomStringConvertible {
    case postgres
    case redis
    case control
    case front
    /// `generation` tells seats apart that used the same slot of the scoreboard one after the other.
    case worker(slot: Int, generation: UInt32)

    package var description: String {
        switch self {
        case .postgres: "postgres"
        case .redis: "redis-server"
        case .control: "control"
        case .front: "front"
        case .worker(let slot, _): "worker \(slot)"
        }
    }

    /// Whether it is an embedded store, which is told things by signals instead of orders.
    package var isStore: Bool { self == .postgres || self == .redis }

    package var isWorker: Bool { if case .worker = self { true } else { false } }
}
