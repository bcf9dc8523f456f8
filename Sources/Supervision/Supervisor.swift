import GatewayCore
import Glibc
package import ProcessRuntime

/// The parent of all processes of a daemon: does what the `Fleet` decides, on one thread, until the daemon ends.
package final class Supervisor {
    private struct Child {
        let role: FleetRole
        let process: Int32
        /// Readable when the process has ended.
        let end: OwnedDescriptor
        /// Nil for stores, which know nothing of us, and once the child has closed it.
        var link: ChildLink?
    }

    private var configuration: SupervisorConfiguration
    private let lock: DirectoryLock
    private let signals: SignalPipe
    private let scoreboardFile: OwnedDescriptor
    private let scoreboard: Scoreboard
    private var masterKey: OwnedDescriptor
    private let user: SystemUser?
    private let stores: [FleetRole: any EmbeddedStore]
    private let addresses: SupervisorConfiguration.StoreAddresses
    private var dataListeners = ListenerSet()
    private var controlListeners = ListenerSet()
    private var settings: [Int: SupervisorConfiguration.ChildSettings] = [:]
    private var fleet: Fleet
    private var children: [Int32: Child] = [:]
    private var workerSockets: [FleetRole: WorkerSockets] = [:]
    private var exitCode: Int32?

    /// Claims the state directory and the ports, and prepares the embedded stores.
    ///
    /// Starts no child that stays.
    ///
    /// - Parameters:
    /// - signals: SIGTERM, SIGINT, SIGHUP of this process, if they do not come from the operating system.
    /// - policy: its `drainLimit` is replaced by the configuration's.
    package init(
        _ configuration: SupervisorConfiguration, signals: SignalPipe? = nil, policy: FleetPolicy = FleetPolicy()
    ) throws(SupervisorError) {
        self.configuration = configuration
        lock = try DirectoryLock(stateDirectory: configuration.stateDirectory)
        user = try Self.user(configuration)
        do throws(SystemError) {
            if let signals {
                self.signals = signals
            } else {
                self.signals = try SignalPipe([SIGTERM, SIGINT, SIGHUP, SIGUSR2])
            }
            dataListeners = try dataListeners.adopting(configuration.dataListen)
            controlListeners = try controlListeners.adopting(configuration.controlListen)
            scoreboardFile = try Scoreboard.create()
            masterKey = try InheritedBytes.seal(configuration.masterKey.reveal(), name: "key")
        } catch {
            throw SupervisorError(error.code == EADDRINUSE ? .unavailable : .system, error.description)
        }
        guard let scoreboard = Scoreboard(descriptor: scoreboardFile.number) else {
            throw SupervisorError(.system, "the scoreboard cannot be mapped")
        }
        self.scoreboard = scoreboard
        if let user, Files.owner(configuration.stateDirectory) != user.uid {
            try Files.giveAway(configuration.stateDirectory, to: user)
        }
        var stores: [FleetRole: any EmbeddedStore] = [:]
        let directory = configuration.stateDirectory
        if configuration.embeddedStores.contains(.postgres) {
            stores[.postgres] = try EmbeddedPostgres(stateDirectory: directory, processUser: user?.name)
        }
        if configuration.embeddedStores.contains(.redis) {
            stores[.redis] = try EmbeddedRedis(stateDirectory: directory, processUser: user?.name)
        }
        self.stores = stores
        addresses = SupervisorConfiguration.StoreAddresses(
            postgres: stores[.postgres]?.address, redis: stores[.redis]?.address
        )
        do { settings[1] = try configuration.settings(addresses) } catch {
            throw SupervisorError(.configuration, "\(error)")
        }
        var policy = policy
        policy.drainLimit = configuration.drainLimit
        fleet = Fleet(
            stores: [.postgres, .redis].filter { stores[$0] != nil }, workers: configuration.workers, policy: policy
        )
    }

    private static func user(_ configuration: SupervisorConfiguration) throws(SupervisorError) -> SystemUser? {
        guard let name = configuration.processUser, name != SystemUser.currentName else { return nil }
        guard let user = SystemUser(named: name) else {
            throw SupervisorError(.configuration, "process.user: there is no account \(name)")
        }
        guard SystemUser.isRoot else {
            throw SupervisorError(.configuration, "process.user: only root can become \(name)")
        }
        return user
    }

    /// Runs the daemon to its end; the exit code of the process.
    package func run() -> Int32 {
        handle(.start)
        var poll = PollSet()
        while exitCode == nil {
            poll.removeAll()
            poll.add(signals.descriptor)
            for child in children.values {
                poll.add(child.end.number)
                if let link = child.link { poll.add(link.descriptor) }
            }
            let ready = Set(poll.wait(timeout()))
            for child in Array(children.values) {
                if let link = child.link, ready.contains(link.descriptor) { hear(child, link) }
            }
            for signal in signals.take() { receive(signal) }
            for child in Array(children.values) where ready.contains(child.end.number) { collect(child) }
            probeStores()
            handle(.tick)
        }
        return exitCode ?? 0
    }

    // MARK: - What happens

    /// Until the fleet's next deadline; shorter while a store is starting, which says nothing by itself.
    private func timeout() -> Duration? {
        let deadline = fleet.nextDeadline.map { max(.zero, $0 - MonotonicTime.now()) }
        return fleet.startingStores.isEmpty ? deadline : min(.milliseconds(20), deadline ?? .seconds(1))
    }

    private func hear(_ child: Child, _ link: ChildLink) {
        while true {
            switch link.poll() {
            case .nothing: return
            case .closed:
                children[child.process]?.link = nil
                return
            case .report(.ready):
                if case .worker(let slot, _) = child.role { scoreboard.slot(slot).state = .ready }
                handle(.ready(child.role))
            case .report(.released(let slot, let generation)): handle(.released(slot: slot, generation: generation))
            case .report(.stoppedAccepting): handle(.stoppedAccepting)
            }
        }
    }

    private func receive(_ signal: Int32) {
        switch signal {
        case SIGTERM, SIGINT: handle(.terminate)
        case SIGHUP: reload()
        case SIGUSR2: configuration.log(.warning, "SIGUSR2: this version cannot replace itself; restart it instead")
        default: break
        }
    }

    private func collect(_ child: Child) {
        guard let status = ExitStatus.collectIfEnded(child.process) else { return }
        // What it said last counts: a front may have promised something and then ended.
        if let link = child.link { hear(child, link) }
        children[child.process] = nil
        if case .worker(let slot, _) = child.role {
            scoreboard.slot(slot).state = .gone
            scoreboard.slot(slot).connections = 0
        }
        handle(.exited(child.role, status))
    }

    private func probeStores() {
        for role in fleet.startingStores where children.values.contains(where: { $0.role == role }) {
            if stores[role]?.acceptsConnections() == true { handle(.ready(role)) }
        }
    }

    private func reload() {
        do {
            let next = try configuration.reload(addresses)
            for (name, isSame) in [
                ("state_directory", next.stateDirectory == configuration.stateDirectory),
                ("process.user", next.processUser == configuration.processUser),
                ("postgres.url, redis.url", next.embeddedStores == configuration.embeddedStores),
                ("secrets.master_key_file", Self.opens(next.masterKey, what: configuration.masterKey)),
            ] where !isSame {
                throw SupervisorError(.configuration, "\(name): a change needs a restart")
            }
            let blobs = try next.settings(addresses)
            let data = try dataListeners.adopting(next.dataListen)
            let control = try controlListeners.adopting(next.controlListen)
            var restarts: Set<FleetRole> = []
            if data.addresses != dataListeners.addresses { restarts.insert(.front) }
            if control.addresses != controlListeners.addresses || blobs.control != newestSettings?.control {
                restarts.insert(.control)
            }
            if next.masterKey.reveal() != configuration.masterKey.reveal() {
                masterKey = try InheritedBytes.seal(next.masterKey.reveal(), name: "key")
                restarts.insert(.control)
            }
            dataListeners = data
            controlListeners = control
            settings[fleet.nextRevision] = blobs
            configuration = next
            fleet.policy.drainLimit = next.drainLimit
            handle(.reload(workers: next.workers, restarts: restarts))
        } catch {
            configuration.log(.error, "the configuration is not changed: \(error)")
        }
    }

    /// Whether the key that was in use is among the new ones, so that nothing stored becomes unreadable.
    private static func opens(_ new: Secret<[UInt8]>, what old: Secret<[UInt8]>) -> Bool {
        let length = 32
        let used = old.reveal().prefix(length)
        let keys = new.reveal()
        return stride(from: 0, to: keys.count, by: length).contains { keys[$0...].prefix(length) == used }
    }

    private var newestSettings: SupervisorConfiguration.ChildSettings? { settings.max { $0.key < $1.key }?.value }

    // MARK: - What is done about it

    private func handle(_ event: FleetEvent) {
        var events = [event]
        while !events.isEmpty {
            for action in fleet.handle(events.removeFirst(), now: .now()) {
                if let consequence = perform(action) { events.append(consequence) }
            }
        }
        let used = fleet.revisionsInUse
        settings = settings.filter { used.contains($0.key) }
    }

    /// Does one thing; the event that follows from it, if any.
    private func perform(_ action: FleetAction) -> FleetEvent? {
        switch action {
        case .start(let role, let revision):
            do throws(SupervisorError) { try start(role, revision) } catch {
                return .startFailed(role, reason: error.message)
            }
        case .tell(let role, let order): tell(role, order)
        case .signal(let role, let signal):
            if let child = child(role) { kill(child.process, signal) }
        case .addToFront(let slot, let generation):
            guard let sockets = workerSockets[.worker(slot: slot, generation: generation)] else { break }
            child(.front)?.link?.send(
                .addWorker(slot: slot, generation: generation, descriptor: sockets.front.number)
            )
        case .removeFromFront(let slot, let generation):
            child(.front)?.link?.send(.removeWorker(slot: slot, generation: generation))
        case .closeSeat(let slot, let generation):
            workerSockets.removeValue(forKey: .worker(slot: slot, generation: generation))?.returnLeftovers()
        case .closeListeners: dataListeners.removeAll()
        case .announce: configuration.announce()
        case .note(let note):
            configuration.log(note.isProblem ? .warning : .notice, note.description)
            if case .died(let role, _, _) = note { explain(role) }
        case .exit(let code, let message):
            if let message { configuration.log(.error, message) }
            exitCode = code
        }
        return nil
    }

    private func child(_ role: FleetRole) -> Child? { children.values.first { $0.role == role } }

    private func tell(_ role: FleetRole, _ order: FleetAction.Order) {
        if order == .drain, case .worker(let slot, _) = role { scoreboard.slot(slot).state = .draining }
        guard let link = child(role)?.link else { return }
        switch order {
        case .drain: link.send(.drain)
        case .stop: link.send(.stop)
        case .stopAccepting: link.send(.stopAccepting)
        }
    }

    /// The end of a store's own log, which nobody else shows.
    private func explain(_ role: FleetRole) {
        guard let store = stores[role] else { return }
        let lines = Files.lastLines(store.logPath)
        if !lines.isEmpty { configuration.log(.warning, "\(store.logPath) ends with:\n\(lines)") }
    }

    private func start(_ role: FleetRole, _ revision: Int) throws(SupervisorError) {
        if let store = stores[role] {
            let image = try store.image()
            do throws(SystemError) {
                try start(role, image, link: nil)
            } catch { throw SupervisorError(error) }
            return
        }
        do throws(SystemError) {
            let (link, theirs) = try ChildLink.pair()
            var image = try image(role, revision)
            image.descriptors[InheritedDescriptor.supervisorLink] = theirs
            let process = try start(role, image, link: link)
            if case .worker(let slot, let generation) = role {
                present(slot: slot, generation: generation, process)
            }
        } catch { throw SupervisorError(error) }
    }

    @discardableResult
    private func start(_ role: FleetRole, _ image: ChildImage, link: ChildLink?) throws(SystemError) -> Int32 {
        let process = try image.start()
        do throws(SystemError) {
            let end = try ExitStatus.watch(process)
            children[process] = Child(role: role, process: process, end: end, link: link)
            return process
        } catch {
            kill(process, SIGKILL)
            _ = ExitStatus.collect(process)
            throw error
        }
    }

    private func present(slot: Int, generation: UInt32, _ process: Int32) {
        let slot = scoreboard.slot(slot)
        slot.connections = 0
        slot.generation = generation
        slot.processID = process
        slot.startedAt = .now()
        slot.state = .starting
    }

    /// How many freed pieces of each size a worker's allocator keeps at hand: a turn frees what all its requests held,
    /// many more than the seven that are usual.
    ///
    /// Measured with 64 clients: 512 save 2 % of the instructions of a turn that brings all of them at once, and hold
    /// 2 MiB more once translated streams have been served.
    private static let workerAllocation = "glibc.malloc.tcache_count=128"

    private func image(_ role: FleetRole, _ revision: Int) throws(SystemError) -> ChildImage {
        let isControl = role == .control
        let program = isControl ? configuration.programs.daemon : configuration.programs.worker
        let (title, arguments): (ProcessRole, [String]) =
            switch role {
            case .worker(let slot, let generation):
                (.worker(slot: slot), WorkerIdentity(slot: slot, generation: generation).arguments)
            case .front: (.front, ["front"])
            default: (.control, ["control", "--inherited"])
            }
        // The long name leaves room for the title that the process gives itself.
        var environment = ChildImage.minimalEnvironment()
        if role.isWorker { environment["GLIBC_TUNABLES"] = Self.workerAllocation }
        var image = ChildImage(path: program, arguments: [title.title] + arguments, environment: environment)
        image.user = user
        // A worker ends when its link closes, after its streams; the others hold nothing worth waiting for.
        image.deathSignal = role.isWorker ? nil : SIGTERM
        image.descriptors[InheritedDescriptor.scoreboard] = scoreboardFile
        if role != .front {
            let blob = settings[revision].map { isControl ? $0.control : $0.worker } ?? []
            image.descriptors[InheritedDescriptor.settings] = try InheritedBytes.seal(blob, name: "settings")
            image.descriptors[InheritedDescriptor.masterKey] = masterKey
        }
        if role.isWorker {
            let sockets: WorkerSockets
            if let present = workerSockets[role] { sockets = present } else { sockets = try WorkerSockets() }
            workerSockets[role] = sockets
            image.descriptors[InheritedDescriptor.handover] = sockets.worker
        } else {
            for (index, listener) in (isControl ? controlListeners : dataListeners).descriptors.enumerated() {
                image.descriptors[InheritedDescriptor.firstListener + Int32(index)] = listener
            }
        }
        return image
    }
}

extension Instant {
    /// The wall clock's time.
    fileprivate static func now() -> Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }
}
