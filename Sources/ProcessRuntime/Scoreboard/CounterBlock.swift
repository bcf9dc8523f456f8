import CProcessShim
import GatewayCore

/// 512 counters in shared memory that only grow.
///
/// What each index means is Telemetry's business.
///
/// One process adds (the worker in the slot, from one thread), any number read. An index out of range is ignored.
@safe package struct CounterBlock: MetricCells {
    package static let count = 512

    // SAFETY: points into the scoreboard's mapping, which lives as long as the process; touched through atomics only.
    private nonisolated(unsafe) let words: UnsafeMutablePointer<UInt64>

    init(words: UnsafeMutablePointer<UInt64>) { unsafe self.words = words }

    /// Adds `amount` to a counter.
    ///
    /// No locked instruction: there is one writer.
    package func add(_ index: Int, _ amount: UInt64 = 1) {
        guard (0..<Self.count).contains(index) else { return }
        unsafe aig_add(words + index, amount)
    }

    /// Sets a counter that is used as a gauge.
    package func set(_ index: Int, _ value: UInt64) {
        guard (0..<Self.count).contains(index) else { return }
        unsafe aig_store(words + index, value)
    }

    /// A counter's value; 0 for an index out of range.
    package func value(_ index: Int) -> UInt64 {
        guard (0..<Self.count).contains(index) else { return 0 }
        return unsafe aig_load(words + index)
    }
}
