/// Which worker this process is, from its arguments: `worker --slot K --generation G`.
package struct WorkerIdentity: Sendable, Equatable {
    /// Its slot in the scoreboard.
    package var slot: Int
    /// Tells the workers that used the same slot apart.
    package var generation: UInt32

    package init(slot: Int, generation: UInt32) {
        self.slot = slot
        self.generation = generation
    }

    /// Reads arguments, the executable's name first; nil when they are not a worker's.
    package init?(arguments: [String]) {
        guard arguments.count == 6, arguments[1] == "worker", arguments[2] == "--slot", arguments[4] == "--generation",
            let slot = Int(arguments[3]), (0..<Scoreboard.slots).contains(slot), let generation = UInt32(arguments[5])
        else { return nil }
        self.init(slot: slot, generation: generation)
    }

    package var arguments: [String] { ["worker", "--slot", String(slot), "--generation", String(generation)] }
}
