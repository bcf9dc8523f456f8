import CProcessShim
import Glibc

/// The shared memory in which workers show what they are doing: one slot per worker, read by front, control and supervisor.
///
/// - Layout: 64 slots of 8 KiB, each 64 words of state and 512 counters; every word is a relaxed atomic `u64`.
/// - Life: created by the supervisor, mapped for the rest of each process; counters survive the worker of their slot.
@safe package struct Scoreboard: Sendable {
    package static let slots = 64
    static let slotBytes = 8192

    // SAFETY: points at a mapping that is never unmapped; its words are only touched through atomics.
    private nonisolated(unsafe) let memory: UnsafeMutablePointer<UInt64>

    /// Maps the memory file behind `descriptor`; nil when it is not a scoreboard.
    package init?(descriptor: Int32 = InheritedDescriptor.scoreboard) {
        var facts = stat()
        let size = Self.slots * Self.slotBytes
        guard unsafe fstat(descriptor, &facts) == 0, Int(facts.st_size) == size,
            let start = unsafe aig_map_shared(descriptor, size)
        else { return nil }
        unsafe memory = start.assumingMemoryBound(to: UInt64.self)
    }

    /// The memory file of a new scoreboard, all zero.
    package static func create() throws(SystemError) -> OwnedDescriptor {
        let file = unsafe aig_memory_file("scoreboard", nil, slots * slotBytes, 0)
        return OwnedDescriptor(try SystemError.check(file, "memfd_create scoreboard"))
    }

    /// Slot `number`, which must be in `0..<Scoreboard.slots`.
    package func slot(_ number: Int) -> Slot {
        precondition((0..<Self.slots).contains(number), "no such slot: \(number)")
        return unsafe Slot(number: number, words: memory + number * (Self.slotBytes / 8))
    }
}
