package import ProcessRuntime

/// The supervisor's mind: which children there are, in which state, and what to do next.
///
/// Pure; knows no process ids.
///
/// Order of start: embedded stores → control → front and workers → announcement.
/// Order of the end: front stops accepting → workers drain → control ships the spool → stores → exit.
/// Every event is followed by the same list of questions (`advance`).
package struct Fleet: Sendable {
    enum Phase: Sendable, Equatable {
        case startingStores, startingControl, startingProxies, running
        case stoppingFront(deadline: MonotonicTime), drainingWorkers, drainingControl, stoppingStores
        /// Something hopeless happened: everything is told to stop, then the supervisor ends with this.
        case failing(code: Int32, message: String)
        case ended
    }

    /// A reload may change it; children that were told to end already keep their deadlines.
    package var policy: FleetPolicy
    let stores: [FleetRole]
    var phase: Phase = .startingStores
    var seats: [Seat] = []
    /// The configuration to bring into use, and how many workers it wants.
    var revision = 1
    /// The newest number given out; an abandoned revision's number is not used again.
    var lastRevision = 1
    var workers: Int
    /// The revision all present workers have when nothing is being replaced.
    var settledRevision = 1
    /// What else the reload under way restarts, once its workers are ready.
    var restarts: Set<FleetRole> = []
    var generations: UInt32 = 0
    var wasTerminated = false
    var actions: [FleetAction] = []

    /// - Parameters:
    ///   - stores: the embedded stores to run, in their order of start.
    ///   - workers: how many workers; bounded by `1...FleetPolicy.mostWorkers`.
    package init(stores: [FleetRole], workers: Int, policy: FleetPolicy = FleetPolicy()) {
        self.stores = stores
        self.workers = Self.bounded(workers)
        self.policy = policy
    }

    static func bounded(_ workers: Int) -> Int { min(max(1, workers), FleetPolicy.mostWorkers) }

    /// The revision that the next `reload` will create.
    package var nextRevision: Int { lastRevision + 1 }

    /// Revisions that a seat may still be started with.
    package var revisionsInUse: Set<Int> { Set(seats.map(\.revision)).union([revision, settledRevision]) }

    /// Stores whose processes run but do not accept connections yet.
    package var startingStores: [FleetRole] { seats.filter { $0.role.isStore && $0.state == .starting }.map(\.role) }

    /// Takes an event in and answers what to do, in order.
    package mutating func handle(_ event: FleetEvent, now: MonotonicTime) -> [FleetAction] {
        actions = []
        guard phase != .ended else { return [] }
        switch event {
        case .start:
            seats = stores.map { Seat(role: $0, revision: revision, now: now) }
        case .ready(let role): becameReady(role)
        case .startFailed(let role, let reason): startFailed(role, reason, now)
        case .exited(let role, let status): exited(role, status, now)
        case .released(let slot, let generation):
            if let index = index(of: .worker(slot: slot, generation: generation)), seats[index].state == .releasing {
                drainWorker(index, now)
            }
        case .stoppedAccepting:
            if case .stoppingFront = phase { beginDrainingWorkers(now) }
        case .tick: break
        case .reload(let workers, let restarts): beginReload(workers: workers, restarts: restarts, now)
        case .terminate: terminate(now)
        }
        advance(now)
        defer { actions = [] }
        return actions
    }

    /// When the next `tick` is due; nil: nothing is waited for.
    package var nextDeadline: MonotonicTime? {
        var deadlines: [MonotonicTime] = []
        if case .stoppingFront(let deadline) = phase { deadlines.append(deadline) }
        for seat in seats {
            switch seat.state {
            case .waiting(let until): deadlines.append(until)
            case .starting where seat.role.isStore: deadlines.append(seat.startedAt + policy.storeStartLimit)
            case .ending(let deadline, _, _): if let deadline { deadlines.append(deadline) }
            case .starting, .ready, .releasing: break
            }
        }
        return deadlines.min()
    }

    func index(of role: FleetRole) -> Int? { seats.firstIndex { $0.role == role } }

    func isReady(_ role: FleetRole) -> Bool { index(of: role).map { seats[$0].isReady } ?? false }

    /// Indices of the workers that are not on their way out, of one revision or of all.
    func present(revision: Int? = nil) -> [Int] {
        seats.indices.filter {
            seats[$0].role.isWorker && !seats[$0].isLeaving && (revision == nil || seats[$0].revision == revision)
        }
    }

    // MARK: - Children

    private mutating func becameReady(_ role: FleetRole) {
        guard let index = index(of: role), seats[index].state == .starting else { return }
        seats[index].state = .ready
        seats[index].unreadyDeaths = []
        switch role {
        case .worker(let slot, let generation):
            if isReady(.front) { actions.append(.addToFront(slot: slot, generation: generation)) }
        case .front: introduceWorkers()
        case .control, .postgres, .redis: break
        }
    }

    /// Tells a new front about everyone it has to know, the leaving ones included: they return their idle connections.
    private mutating func introduceWorkers() {
        for seat in seats {
            guard case .worker(let slot, let generation) = seat.role else { continue }
            if seat.isReady || seat.isLeaving { actions.append(.addToFront(slot: slot, generation: generation)) }
            if seat.isLeaving { actions.append(.removeFromFront(slot: slot, generation: generation)) }
        }
        if case .stoppingFront = phase { actions.append(.tell(.front, .stopAccepting)) }
    }

    private mutating func startFailed(_ role: FleetRole, _ reason: String, _ now: MonotonicTime) {
        guard let index = index(of: role) else { return }
        if seats[index].isLeaving { return empty(index) }
        let delay = seats[index].countDeath(now, policy)
        actions.append(.note(.failedToStart(role, reason: reason, restartIn: delay)))
        checkCrashLoop(role, "it could not be started: \(reason)")
    }

    private mutating func exited(_ role: FleetRole, _ status: ExitStatus, _ now: MonotonicTime) {
        guard let index = index(of: role) else { return }
        switch seats[index].state {
        case .waiting: return
        case .releasing, .ending(_, _, then: .empty): empty(index)
        case .ending(_, _, then: .again):
            seats[index].state = .waiting(until: now)
            seats[index].quickDeaths = 0
        case .starting where role == .front && isEnding, .ready where role == .front && isEnding: empty(index)
        case .starting, .ready:
            let wasReady = seats[index].isReady
            let delay = seats[index].countDeath(now, policy)
            actions.append(.note(.died(role, status, restartIn: delay)))
            if wasReady, case .worker(let slot, let generation) = role, isReady(.front) {
                actions.append(.removeFromFront(slot: slot, generation: generation))
            }
            if !wasReady, status == .exited(78), isFirstStart {
                return fail(code: 78, "\(role) refused its configuration")
            }
            checkCrashLoop(role, "its last end was \(status)")
        }
        if role == .front { frontIsGone(now) }
    }

    /// Nobody sends to the leaving workers any more.
    private mutating func frontIsGone(_ now: MonotonicTime) {
        for index in seats.indices where seats[index].state == .releasing { drainWorker(index, now) }
        if case .stoppingFront = phase { beginDrainingWorkers(now) }
    }

    private var isFirstStart: Bool {
        switch phase {
        case .startingStores, .startingControl, .startingProxies: true
        default: false
        }
    }

    /// Whether nobody is accepted any more.
    private var isEnding: Bool {
        switch phase {
        case .startingStores, .startingControl, .startingProxies, .running: false
        default: true
        }
    }

    /// A crash loop ends the daemon when nobody is served anyway; otherwise it is reported and tried again.
    private mutating func checkCrashLoop(_ role: FleetRole, _ detail: String) {
        guard let index = index(of: role), seats[index].unreadyDeaths.count >= policy.crashLoopDeaths else { return }
        let message = "\(role) ended \(seats[index].unreadyDeaths.count) times without becoming ready; \(detail)"
        if role.isWorker, seats[index].revision != settledRevision, !present(revision: settledRevision).isEmpty {
            return abandonReload(because: message)
        }
        let nobodyServes = role == .front || role.isWorker && !present().contains { seats[$0].isReady }
        if isFirstStart || nobodyServes {
            fail(code: 70, message)
        } else {
            seats[index].unreadyDeaths = []
            actions.append(.note(.keepsDying(role)))
        }
    }

    /// Removes a seat whose process is gone.
    mutating func empty(_ index: Int) {
        let seat = seats.remove(at: index)
        if case .worker(let slot, let generation) = seat.role {
            actions.append(.closeSeat(slot: slot, generation: generation))
        }
    }

    // MARK: - The list of questions

    private mutating func advance(_ now: MonotonicTime) {
        enforceDeadlines(now)
        var before: Phase
        repeat {
            before = phase
            advancePhase(now)
        } while phase != before
        settleReload(now)
        for index in seats.indices {
            guard case .waiting(let until) = seats[index].state, until <= now else { continue }
            seats[index].state = .starting
            seats[index].startedAt = now
            actions.append(.start(seats[index].role, revision: seats[index].revision))
        }
    }

    private mutating func advancePhase(_ now: MonotonicTime) {
        switch phase {
        case .startingStores where stores.allSatisfy(isReady):
            phase = .startingControl
            seats.append(Seat(role: .control, revision: revision, now: now))
        case .startingControl where isReady(.control):
            phase = .startingProxies
            seats.append(Seat(role: .front, revision: revision, now: now))
            seatWorkers(now)
        case .startingProxies where isReady(.front) && present(revision: revision).allSatisfy { seats[$0].isReady }:
            phase = .running
            actions.append(.announce)
        default: advanceEnd(now)
        }
    }

    /// Makes seats for the workers that the newest revision lacks, as far as there are free slots.
    mutating func seatWorkers(_ now: MonotonicTime) {
        var missing = workers - present(revision: revision).count
        let used = Set(seats.compactMap { if case .worker(let slot, _) = $0.role { slot } else { nil } })
        for slot in 0..<Scoreboard.slots where missing > 0 && !used.contains(slot) {
            generations &+= 1
            seats.append(Seat(role: .worker(slot: slot, generation: generations), revision: revision, now: now))
            missing -= 1
        }
    }
}
