import GatewayCore

/// The answers that are being fetched right now and that requests of this worker may share.
///
/// Each fetched answer is put here and taken away again, so both have to cost next to nothing: a table of lists that
/// are linked through the flights, found by the digest, which is evenly spread already.
@WorkerLoop
final class FlightBoard {
    private static let lists = 1024

    private var first: [Flight?] = Array(repeating: nil, count: lists)
    private var count = 0

    private static func list(of place: AnswerPlace) -> Int {
        Int(truncatingIfNeeded: place.key.digest.words[0] % UInt64(lists))
    }

    /// A flight that takes passengers.
    subscript(place: AnswerPlace) -> Flight? {
        guard count > 0 else { return nil }
        var flight = first[Self.list(of: place)]
        while let candidate = flight {
            if candidate.place == place { return candidate }
            flight = candidate.next
        }
        return nil
    }

    var isEmpty: Bool { count == 0 }

    /// Puts a flight where others find it; an older one of the same answer is no longer found.
    func add(_ flight: Flight) {
        if let older = self[flight.place] { remove(older) }
        let list = Self.list(of: flight.place)
        flight.next = first[list]
        first[list] = flight
        flight.isOnBoard = true
        count += 1
    }

    func remove(_ flight: Flight) {
        guard flight.isOnBoard else { return }
        flight.isOnBoard = false
        count -= 1
        let list = Self.list(of: flight.place)
        let next = flight.next
        flight.next = nil
        if first[list] === flight {
            first[list] = next
        } else {
            var before = first[list]
            while let candidate = before, candidate.next !== flight { before = candidate.next }
            before?.next = next
        }
    }
}
