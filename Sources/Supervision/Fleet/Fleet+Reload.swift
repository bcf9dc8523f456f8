import ProcessRuntime

extension Fleet {
    /// Workers are replaced new-before-old: seats of the new revision first; the rest happens in `settleReload`.
    mutating func beginReload(workers: Int, restarts: Set<FleetRole>, _ now: MonotonicTime) {
        switch phase {
        case .startingStores, .startingControl, .startingProxies, .running: break
        default: return
        }
        lastRevision += 1
        revision = lastRevision
        self.workers = Self.bounded(workers)
        self.restarts.formUnion(restarts)
        actions.append(.note(.reloading(revision: revision, workers: self.workers)))
        guard phase == .running || phase == .startingProxies else {
            // Nothing serves yet: whoever is started from now on gets the new settings.
            for index in seats.indices { seats[index].revision = revision }
            return
        }
        seatWorkers(now)
        if present(revision: revision).count < self.workers { actions.append(.note(.noFreeSlot)) }
    }

    /// Once every worker of the newest revision is ready, everyone older leaves.
    mutating func settleReload(_ now: MonotonicTime) {
        guard phase == .running, settledRevision != revision else { return }
        if present(revision: revision).count < workers { seatWorkers(now) }
        let newest = present(revision: revision)
        guard newest.count == workers, newest.allSatisfy({ seats[$0].isReady }) else { return }
        for index in present() where seats[index].revision != revision { retire(index, now) }
        seats.removeAll { $0.role.isWorker && $0.revision != revision && !$0.hasProcess }
        for role in [FleetRole.front, .control] {
            guard let index = index(of: role) else { continue }
            seats[index].revision = revision
            guard restarts.contains(role) else { continue }
            switch seats[index].state {
            case .starting, .ready:
                actions.append(.tell(role, .stop))
                seats[index].state = .ending(deadline: now + policy.stopLimit, .stop, then: .again)
            case .waiting, .releasing, .ending: break
            }
        }
        restarts = []
        settledRevision = revision
        actions.append(.note(.reloaded(revision: revision)))
    }

    /// The new workers cannot be started: they go, the old ones stay.
    mutating func abandonReload(because reason: String) {
        actions.append(.note(.reloadAbandoned(revision: revision, because: reason)))
        for index in seats.indices.reversed()
        where seats[index].role.isWorker && seats[index].revision != settledRevision {
            switch seats[index].state {
            case .waiting: empty(index)
            case .starting, .ready, .releasing:
                if seats[index].isReady, case .worker(let slot, let generation) = seats[index].role {
                    actions.append(.removeFromFront(slot: slot, generation: generation))
                }
                actions.append(.signal(seats[index].role, FleetSignal.kill))
                seats[index].state = .ending(deadline: nil, .kill, then: .empty)
            case .ending: break
            }
        }
        restarts = []
        revision = settledRevision
        workers = present(revision: settledRevision).count
    }

    /// Sends a worker on its way out.
    mutating func retire(_ index: Int, _ now: MonotonicTime) {
        guard case .worker(let slot, let generation) = seats[index].role else { return }
        switch seats[index].state {
        case .ready where isReady(.front):
            actions.append(.removeFromFront(slot: slot, generation: generation))
            seats[index].state = .releasing
        case .ready, .starting: drainWorker(index, now)
        case .waiting:
            actions.append(.closeSeat(slot: slot, generation: generation))
        case .releasing, .ending: break
        }
    }

    /// Tells a worker that gets nothing new to finish.
    mutating func drainWorker(_ index: Int, _ now: MonotonicTime) {
        actions.append(.tell(seats[index].role, .drain))
        seats[index].state = .ending(deadline: policy.drainLimit.map { now + $0 }, .drain, then: .empty)
    }
}
