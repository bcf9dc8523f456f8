/// What the supervisor tells a child.
package enum SupervisorOrder: Sendable, Equatable {
    /// Take no new work, finish what is in flight, exit 0.
    case drain
    /// Exit soon; do not wait for anything.
    case stop
    /// Front: hand connections to this worker too. `descriptor` is the front's end of its hand-over socket.
    case addWorker(slot: Int, generation: UInt32, descriptor: Int32)
    /// Front: give this worker nothing new, take back what it returns, and report `released`.
    case removeWorker(slot: Int, generation: UInt32)
    /// Front: take what waits in the backlog, close the listening sockets, report `stoppedAccepting`.
    case stopAccepting
}

/// What a child tells the supervisor.
package enum ChildReport: Sendable, Equatable {
    /// The child does its job from now on.
    case ready
    /// Front: `removeWorker` has been done; nothing more will be sent to that worker.
    case released(slot: Int, generation: UInt32)
    /// Front: `stopAccepting` has been done.
    case stoppedAccepting
}

/// One datagram of the link: `u8` kind, `u32` slot, `u32` generation, little-endian.
struct LinkDatagram {
    static let size = 9

    var kind: UInt8
    var slot: UInt32 = 0
    var generation: UInt32 = 0

    init(kind: UInt8, slot: Int = 0, generation: UInt32 = 0) {
        self.kind = kind
        self.slot = UInt32(truncatingIfNeeded: slot)
        self.generation = generation
    }

    init?(_ bytes: some Collection<UInt8>) {
        guard bytes.count == Self.size, let first = bytes.first else { return nil }
        kind = first
        let words = bytes.dropFirst().enumerated().reduce(UInt64(0)) { $0 | UInt64($1.element) << (8 * $1.offset) }
        slot = UInt32(truncatingIfNeeded: words)
        generation = UInt32(truncatingIfNeeded: words >> 32)
    }

    var bytes: [UInt8] {
        let words = UInt64(slot) | UInt64(generation) << 32
        return [kind] + (0..<8).map { UInt8(truncatingIfNeeded: words >> (8 * $0)) }
    }

    init(_ order: SupervisorOrder) {
        switch order {
        case .drain: self.init(kind: 1)
        case .stop: self.init(kind: 2)
        case .addWorker(let slot, let generation, _): self.init(kind: 3, slot: slot, generation: generation)
        case .removeWorker(let slot, let generation): self.init(kind: 4, slot: slot, generation: generation)
        case .stopAccepting: self.init(kind: 5)
        }
    }

    /// The order; nil for a kind this version does not know, or for a worker without its socket.
    func order(descriptor: Int32) -> SupervisorOrder? {
        switch kind {
        case 1: .drain
        case 2: .stop
        case 3: descriptor >= 0 ? .addWorker(slot: Int(slot), generation: generation, descriptor: descriptor) : nil
        case 4: .removeWorker(slot: Int(slot), generation: generation)
        case 5: .stopAccepting
        default: nil
        }
    }

    init(_ report: ChildReport) {
        switch report {
        case .ready: self.init(kind: 129)
        case .released(let slot, let generation): self.init(kind: 130, slot: slot, generation: generation)
        case .stoppedAccepting: self.init(kind: 131)
        }
    }

    var report: ChildReport? {
        switch kind {
        case 129: .ready
        case 130: .released(slot: Int(slot), generation: generation)
        case 131: .stoppedAccepting
        default: nil
        }
    }
}
