import GatewayCore

/// The answers that are being fetched right now and that requests of this worker may share.
@WorkerLoop
final class FlightBoard {
    private var flights: [AnswerPlace: Flight] = [:]

    /// A flight that takes passengers.
    subscript(place: AnswerPlace) -> Flight? { flights[place] }

    var isEmpty: Bool { flights.isEmpty }

    /// Puts a flight where others find it; an older one of the same answer is no longer found.
    func add(_ flight: Flight) { flights[flight.place] = flight }

    func remove(_ flight: Flight) {
        if flights[flight.place] === flight { flights[flight.place] = nil }
    }
}
