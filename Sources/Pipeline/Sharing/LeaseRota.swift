import GatewayCore

/// Prolongs the leases of all answers that this worker fetches, with one timer for all of them.
///
/// Most answers are there before their lease is worth a thought; they cost an entry in a list. A lead that nobody but
/// the rota holds was dropped without a word, and its flight ends.
@WorkerLoop
final class LeaseRota {
    private let timers: any Timers
    private let round: Duration
    private var leads: [LeadingFlight] = []
    private var isRunning = false

    /// - Parameter renewal: how often a lease is prolonged; a new one for the first time after half of it at least.
    init(_ timers: any Timers, every renewal: Duration) {
        self.timers = timers
        round = renewal / LeadingFlight.roundsPerRenewal
    }

    func add(_ lead: LeadingFlight) {
        lead.rotaIndex = leads.count
        leads.append(lead)
        if !isRunning { wait() }
    }

    func remove(_ lead: LeadingFlight) {
        guard let index = lead.rotaIndex, leads.indices.contains(index), let last = leads.popLast() else { return }
        lead.rotaIndex = nil
        guard last !== lead else { return }
        leads[index] = last
        last.rotaIndex = index
    }

    private func wait() {
        isRunning = true
        timers.after(round) { self.turn() }
    }

    private func turn() {
        // From the end: whoever takes the place of one that leaves has had its turn.
        var index = leads.count - 1
        while index >= 0 {
            let isDropped = isKnownUniquelyReferenced(&leads[index])
            let lead = leads[index]
            if isDropped { lead.wasDropped() } else { lead.rotaTurn() }
            index = min(index, leads.count) - 1
        }
        isRunning = false
        if !leads.isEmpty { wait() }
    }
}
