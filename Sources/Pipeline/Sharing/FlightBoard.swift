import GatewayCore

/// The answers that are being fetched right now and that requests of this worker may share.
@WorkerLoop
final class FlightBoard {
    /// A place, hashed by a part of its digest, which is evenly spread already.
    private struct Key: Hashable {
        let place: AnswerPlace

        func hash(into hasher: inout Hasher) {
            let digest = place.key.digest
            hasher.combine(
                digest.withUnsafeBytes { $0.count < 8 ? UInt64(0) : $0.loadUnaligned(as: UInt64.self) }
            )
        }
    }

    private var flights: [Key: Flight] = [:]

    /// A flight that takes passengers.
    subscript(place: AnswerPlace) -> Flight? { flights.isEmpty ? nil : flights[Key(place: place)] }

    var isEmpty: Bool { flights.isEmpty }

    /// Puts a flight where others find it; an older one of the same answer is no longer found.
    func add(_ flight: Flight) {
        if let older = flights.updateValue(flight, forKey: Key(place: flight.place)) { older.isOnBoard = false }
        flight.isOnBoard = true
    }

    func remove(_ flight: Flight) {
        guard flight.isOnBoard else { return }
        flight.isOnBoard = false
        flights[Key(place: flight.place)] = nil
    }
}
