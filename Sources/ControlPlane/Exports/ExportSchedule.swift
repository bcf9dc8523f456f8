import GatewayCore
package import PostgresStore

/// Who is served now: a few receivers at a time, fewer of one account, and of those that fail fewer still.
///
/// A receiver that fails is left alone for a growing while, and so is everybody whom an account reaches at an address
/// where nobody answers. The rest share the places by turns: first the account that was served longest ago, then its
/// receiver.
package struct ExportSchedule {
    /// What a failure says about others.
    package enum Blame: Sendable, Equatable {
        case receiver
        /// All receivers of the account at that address.
        case address
    }

    /// Receivers that are served at once.
    package static let places = 8
    package static let placesOfAccount = 2
    /// Of the places, those for receivers whose last delivery failed: the others are free for receivers that work.
    package static let placesOfFailing = 4
    private static let firstPause = Duration.seconds(1)
    private static let longestPause = Duration.seconds(300)

    private struct Outage {
        var pause: Duration
        var until: ContinuousClock.Instant
    }

    private var serving: [String: ExportReceiver] = [:]
    private var outages: [String: Outage] = [:]
    /// The turn in which an account, or a receiver, was begun with.
    private var turns: [String: Int] = [:]
    private var turn = 0

    package init() {}

    /// Takes places for as many of `waiting`, which is everybody for whom something waits, as may be served now.
    package mutating func begin(_ waiting: [ExportReceiver], now: ContinuousClock.Instant) -> [ExportReceiver] {
        forgetAllBut(waiting, now)
        let candidates = waiting.filter { serving[$0.key] == nil && !isLeftAlone($0, now) }
            .map { (rank: rank($0), receiver: $0) }.sorted { $0.rank < $1.rank }
        var begun: [ExportReceiver] = []
        for (_, receiver) in candidates {
            guard serving.count < Self.places else { break }
            let others = serving.values
            guard others.count(where: { $0.account == receiver.account }) < Self.placesOfAccount else { continue }
            if isFailing(receiver), others.count(where: { isFailing($0) }) >= Self.placesOfFailing { continue }
            turn += 1
            turns[receiver.account.rawValue] = turn
            turns[receiver.key] = turn
            serving[receiver.key] = receiver
            begun.append(receiver)
        }
        return begun
    }

    /// Gives a place back.
    package mutating func end(_ receiver: ExportReceiver) { serving[receiver.key] = nil }

    /// Notes that a receiver took something; returns whether that ends an outage.
    package mutating func succeed(_ receiver: ExportReceiver) -> Bool {
        let ended = [receiver.key, receiver.address].map { outages.removeValue(forKey: $0) != nil }
        return ended.contains(true)
    }

    /// Notes that a receiver did not take anything; returns whether that begins an outage.
    package mutating func fail(_ receiver: ExportReceiver, _ blame: Blame, now: ContinuousClock.Instant) -> Bool {
        let name = blame == .address ? receiver.address : receiver.key
        let isNew = !isFailing(receiver)
        // Several that failed together are one failure.
        if let outage = outages[name], now < outage.until { return false }
        let pause = outages[name].map { min($0.pause * 2, Self.longestPause) } ?? Self.firstPause
        outages[name] = Outage(pause: pause, until: now + pause)
        return isNew
    }

    private func isFailing(_ receiver: ExportReceiver) -> Bool {
        outages[receiver.key] != nil || outages[receiver.address] != nil
    }

    private func isLeftAlone(_ receiver: ExportReceiver, _ now: ContinuousClock.Instant) -> Bool {
        [receiver.key, receiver.address].contains { name in outages[name].map { now < $0.until } ?? false }
    }

    private func rank(_ receiver: ExportReceiver) -> (Int, Int, Int) {
        (isFailing(receiver) ? 1 : 0, turns[receiver.account.rawValue] ?? 0, turns[receiver.key] ?? 0)
    }

    /// Keeps nothing about receivers for whom nothing waits.
    private mutating func forgetAllBut(_ waiting: [ExportReceiver], _ now: ContinuousClock.Instant) {
        var known = Set(serving.keys)
        for receiver in waiting + serving.values {
            known.insert(receiver.key)
            known.insert(receiver.address)
            known.insert(receiver.account.rawValue)
        }
        turns = turns.filter { known.contains($0.key) }
        outages = outages.filter { known.contains($0.key) || now < $0.value.until }
    }
}

extension ExportReceiver {
    /// Tells it from all others.
    fileprivate var key: String { "\(account) \(gateway?.rawValue ?? "") \(target)" }

    /// The same for all receivers of an account with one URL.
    fileprivate var address: String {
        "\(account) @ \(target.split(separator: ":").prefix(2).joined(separator: ":"))"
    }
}
