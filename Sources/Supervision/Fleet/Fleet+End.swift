import ProcessRuntime

extension Fleet {
    /// First time: begin the orderly end.
    ///
    /// Second time: end at once.
    mutating func terminate(_ now: MonotonicTime) {
        guard !wasTerminated else {
            killAll()
            finish(code: 143, message: nil)
            return
        }
        wasTerminated = true
        actions.append(.note(.terminating))
        switch phase {
        case .failing, .ended, .stoppingFront, .drainingWorkers, .drainingControl, .stoppingStores: return
        case .startingStores: beginStoppingStores(now)
        case .startingControl: beginDrainingControl(now)
        case .startingProxies, .running:
            actions.append(.closeListeners)
            phase = .stoppingFront(deadline: now + policy.stopLimit)
            if isReady(.front) { actions.append(.tell(.front, .stopAccepting)) } else { beginDrainingWorkers(now) }
        }
    }

    /// Ends everything because going on is hopeless.
    mutating func fail(code: Int32, _ message: String) {
        if case .failing = phase { return }
        phase = .failing(code: code, message: message)
    }

    mutating func beginDrainingWorkers(_ now: MonotonicTime) {
        phase = .drainingWorkers
        for index in present() {
            switch seats[index].state {
            case .starting, .ready: drainWorker(index, now)
            case .waiting, .releasing, .ending: break
            }
        }
        // The front sends nothing any more, so nobody has to wait for its promise.
        for index in seats.indices where seats[index].state == .releasing { drainWorker(index, now) }
        emptyWaiting { $0.isWorker || $0 == .front }
    }

    private mutating func beginDrainingControl(_ now: MonotonicTime) {
        phase = .drainingControl
        end(.front, .stop, deadline: now + policy.stopLimit)
        let ships = isReady(.control)
        end(.control, ships ? .drain : .stop, deadline: now + (ships ? policy.controlDrainLimit : policy.stopLimit))
    }

    private mutating func beginStoppingStores(_ now: MonotonicTime) {
        phase = .stoppingStores
        for role in stores { end(role, .stop, deadline: now + policy.storeStopLimit) }
    }

    /// Tells the child in a seat to end for good; an empty chair is simply taken away.
    private mutating func end(_ role: FleetRole, _ firmness: Seat.Firmness, deadline: MonotonicTime) {
        guard let index = index(of: role) else { return }
        guard seats[index].hasProcess else { return empty(index) }
        if role.isStore {
            actions.append(.signal(role, FleetSignal.shutdown(of: role)))
        } else {
            actions.append(.tell(role, firmness == .drain ? .drain : .stop))
        }
        seats[index].state = .ending(deadline: deadline, firmness, then: .empty)
    }

    private mutating func emptyWaiting(_ isMeant: (FleetRole) -> Bool) {
        for index in seats.indices.reversed() where isMeant(seats[index].role) && !seats[index].hasProcess {
            empty(index)
        }
    }

    /// The questions of the phases after `running`.
    mutating func advanceEnd(_ now: MonotonicTime) {
        switch phase {
        case .stoppingFront(let deadline) where deadline <= now: beginDrainingWorkers(now)
        case .drainingWorkers where !seats.contains { $0.role.isWorker }: beginDrainingControl(now)
        case .drainingControl where index(of: .control) == nil && index(of: .front) == nil: beginStoppingStores(now)
        case .stoppingStores where seats.isEmpty: finish(code: 0, message: nil)
        case .failing(let code, let message):
            if seats.isEmpty { return finish(code: code, message: message) }
            for seat in seats {
                switch seat.state {
                case .ending(_, .stop, then: .empty), .ending(_, .kill, then: .empty): continue
                default: break
                }
                end(seat.role, .stop, deadline: now + policy.stopLimit)
            }
            if seats.isEmpty { finish(code: code, message: message) }
        default: break
        }
    }

    /// Whoever was told to end and did not is told more firmly: drain → stop → SIGKILL.
    mutating func enforceDeadlines(_ now: MonotonicTime) {
        for index in seats.indices {
            let role = seats[index].role
            switch seats[index].state {
            case .ending(.some(let deadline), .drain, let next) where deadline <= now && role != .control:
                actions.append(.tell(role, .stop))
                seats[index].state = .ending(deadline: now + policy.stopLimit, .stop, then: next)
            case .ending(.some(let deadline), _, let next) where deadline <= now:
                actions.append(.note(.overdue(role)))
                actions.append(.signal(role, FleetSignal.kill))
                seats[index].state = .ending(deadline: nil, .kill, then: next)
            case .starting where role.isStore && seats[index].startedAt + policy.storeStartLimit <= now:
                fail(code: 69, "\(role) does not accept connections after \(policy.storeStartLimit)")
            default: break
            }
        }
    }

    /// Stores are left to the kernel: the end of their parent sends them the signal for an orderly end.
    private mutating func killAll() {
        for seat in seats where seat.hasProcess {
            actions.append(
                .signal(seat.role, seat.role.isStore ? FleetSignal.shutdown(of: seat.role) : FleetSignal.kill))
        }
    }

    private mutating func finish(code: Int32, message: String?) {
        phase = .ended
        seats = []
        actions.append(.exit(code: code, message: message))
    }
}
