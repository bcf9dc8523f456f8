/// Remembers what of a model's reasoning has to come back with a conversation's next request, for clients that lose it
/// (providers.md §8.4, §11.3).
///
/// A memory, not a source of truth: what is not found is not there, and nothing here fails a request.
@WorkerLoop
package protocol ReasoningStore: AnyObject {
    /// The notes on these calls of functions that are remembered, by call id.
    func find(_ calls: [String], of kind: ReasoningKind, in scope: ReasoningScope) async -> [String: String]

    /// Remembers notes; returns at once.
    func keep(_ notes: [ReasoningNote], of kind: ReasoningKind, in scope: ReasoningScope)
}

/// What kind of reasoning is remembered.
package enum ReasoningKind: String, Sendable, CaseIterable {
    /// An opaque proof of the provider's that belongs to one call.
    case signature
    /// The reasoning itself, of a whole turn; known by the turn's first call.
    case text
    /// Blocks of a turn's thinking with what proves them, as a JSON list; known by the turn's first call.
    case blocks
}

/// Something remembered of one call of a function.
package struct ReasoningNote: Sendable, Equatable {
    package var callID: String
    package var content: String

    package init(callID: String, content: String) {
        self.callID = callID
        self.content = content
    }
}

/// Whose notes: nobody else finds them.
package struct ReasoningScope: Sendable, Hashable {
    /// How far notes may travel.
    package enum Reach: Sendable, Hashable {
        /// Every worker of every node.
        case fleet
        /// This worker's memory only: the gateway does not want contents stored.
        case worker
    }

    package var account: AccountID
    package var gateway: GatewayID
    package var reach: Reach

    package init(account: AccountID, gateway: GatewayID, reach: Reach) {
        self.account = account
        self.gateway = gateway
        self.reach = reach
    }
}

/// Bounds of what is remembered.
package enum ReasoningBounds {
    /// Seconds that a note lives (providers.md §8.4).
    package static let lifetime = 86_400
    /// Bytes of one note (providers.md §11.3).
    package static let note = 64 << 10
    /// Bytes of a call's id; longer ones are not remembered · assumed.
    package static let callID = 256
    /// Calls of one history that are looked up, the last ones · assumed.
    package static let lookups = 256
    /// Notes of one answer · assumed.
    package static let notesPerAnswer = 64
}
