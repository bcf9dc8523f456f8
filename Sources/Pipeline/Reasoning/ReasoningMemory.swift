package import GatewayCore
import NIOCore

/// What this worker remembers of models' reasoning, with or without a store behind it that all workers share.
///
/// - Limit: `capacity` bytes; the oldest notes go first.
@WorkerLoop
package final class ReasoningMemory: ReasoningStore {
    private struct Key: Hashable {
        var account: AccountID
        var gateway: GatewayID
        var kind: ReasoningKind
        var call: String
    }

    private struct Entry {
        var content: String
        var endsAt: ContinuousClock.Instant
        /// Which of the marks in `order` is this entry's.
        var number: UInt64
    }

    private let shared: (any ReasoningStore)?
    private let clock: any WallClock
    private let capacity: Int
    private var entries: [Key: Entry] = [:]
    private var order = CircularBuffer<(key: Key, number: UInt64)>()
    private var number: UInt64 = 0
    /// Bytes that all entries take, roughly.
    package private(set) var size = 0
    /// Bytes that an entry takes besides its texts.
    private static let overhead = 200

    /// - Parameter shared: where notes for the whole fleet are; nil: every worker has its own only.
    package init(shared: (any ReasoningStore)?, clock: any WallClock, capacity: Int = 8 << 20) {
        self.shared = shared
        self.clock = clock
        self.capacity = capacity
    }

    package func find(
        _ calls: [String], of kind: ReasoningKind, in scope: ReasoningScope
    ) async -> [String: String] {
        var found: [String: String] = [:]
        var missing: [String] = []
        let now = clock.monotonic
        for call in calls.suffix(ReasoningBounds.lookups) where call.utf8.count <= ReasoningBounds.callID {
            if let entry = entries[key(call, kind, scope)], now < entry.endsAt {
                found[call] = entry.content
            } else {
                missing.append(call)
            }
        }
        guard scope.reach == .fleet, !missing.isEmpty, let shared else { return found }
        return found.merging(await shared.find(missing, of: kind, in: scope)) { own, _ in own }
    }

    package func keep(_ notes: [ReasoningNote], of kind: ReasoningKind, in scope: ReasoningScope) {
        let notes = notes.filter { note in
            (1...ReasoningBounds.callID).contains(note.callID.utf8.count)
                && (1...ReasoningBounds.note).contains(note.content.utf8.count)
        }.prefix(ReasoningBounds.notesPerAnswer)
        guard !notes.isEmpty else { return }
        let endsAt = clock.monotonic + .seconds(ReasoningBounds.lifetime)
        for note in notes { remember(note, key(note.callID, kind, scope), until: endsAt) }
        if scope.reach == .fleet { shared?.keep(Array(notes), of: kind, in: scope) }
    }

    private func key(_ call: String, _ kind: ReasoningKind, _ scope: ReasoningScope) -> Key {
        Key(account: scope.account, gateway: scope.gateway, kind: kind, call: call)
    }

    private func remember(_ note: ReasoningNote, _ key: Key, until endsAt: ContinuousClock.Instant) {
        forget(key)
        number += 1
        entries[key] = Entry(content: note.content, endsAt: endsAt, number: number)
        order.append((key, number))
        size += cost(key, note.content)
        while size > capacity, let oldest = order.popFirst() {
            if entries[oldest.key]?.number == oldest.number { forget(oldest.key) }
        }
        // Marks of entries that were replaced.
        if order.count > 2 * entries.count + 64 {
            order = CircularBuffer(order.filter { entries[$0.key]?.number == $0.number })
        }
    }

    private func forget(_ key: Key) {
        guard let entry = entries.removeValue(forKey: key) else { return }
        size -= cost(key, entry.content)
    }

    private func cost(_ key: Key, _ content: String) -> Int {
        content.utf8.count + key.call.utf8.count + Self.overhead
    }
}
