package import ProcessRuntime

/// The workers a front knows, and which of them gets the next connection: the one with the fewest open.
package struct WorkerRing: Sendable {
    /// - open → full, leaving; full → open, leaving; leaving → open (its process was started again), or removed.
    package enum Standing: Sendable, Equatable {
        case open
        /// Its socket took nothing more; asked again when it becomes writable.
        case full
        /// Gets nothing new, may return idle connections.
        case leaving
    }

    package struct Worker: Sendable, Equatable {
        package let slot: Int
        package let generation: UInt32
        /// The front's end of its hand-over socket.
        package var descriptor: Int32
        package var standing: Standing
        /// What the scoreboard said last, and what was sent since and is not in that number yet.
        fileprivate var seen: UInt64 = 0
        fileprivate var underWay: UInt64 = 0
        fileprivate var lastSent: MonotonicTime

        fileprivate var load: UInt64 { seen + underWay }
    }

    /// After this long a connection sent is counted by the scoreboard, or has already ended.
    private static let counted: Duration = .milliseconds(20)

    package private(set) var workers: [Worker] = []
    /// Where the search begins, so that equals take turns.
    private var turn = 0

    package init() {}

    /// Whether somebody takes connections now.
    package var hasOpenWorker: Bool { workers.contains { $0.standing == .open } }

    /// Takes in a worker; the descriptor to close, if the same worker was known with another one.
    package mutating func add(slot: Int, generation: UInt32, descriptor: Int32, now: MonotonicTime) -> Int32? {
        if let index = workers.firstIndex(where: { $0.slot == slot && $0.generation == generation }) {
            let replaced = workers[index].descriptor
            workers[index].descriptor = descriptor
            workers[index].standing = .open
            workers[index].underWay = 0
            return replaced
        }
        workers.append(
            Worker(slot: slot, generation: generation, descriptor: descriptor, standing: .open, lastSent: now)
        )
        return nil
    }

    /// From now on that worker gets nothing new.
    package mutating func retire(slot: Int, generation: UInt32) {
        guard let index = workers.firstIndex(where: { $0.slot == slot && $0.generation == generation }) else { return }
        workers[index].standing = .leaving
    }

    /// Forgets the worker behind a socket whose other end is closed.
    package mutating func remove(descriptor: Int32) { workers.removeAll { $0.descriptor == descriptor } }

    package mutating func markFull(descriptor: Int32) { change(descriptor, from: .open, to: .full) }

    /// The socket takes connections again.
    package mutating func markWritable(descriptor: Int32) { change(descriptor, from: .full, to: .open) }

    private mutating func change(_ descriptor: Int32, from old: Standing, to new: Standing) {
        for index in workers.indices where workers[index].descriptor == descriptor && workers[index].standing == old {
            workers[index].standing = new
        }
    }

    /// The socket of the open worker with the fewest connections; nil when none is open.
    ///
    /// Ties take turns.
    ///
    /// - Parameter connections: what a slot of the scoreboard shows now.
    package mutating func choose(now: MonotonicTime, connections: (_ slot: Int) -> UInt64) -> Int32? {
        var best: Int?
        for step in workers.indices {
            let index = (turn + step) % workers.count
            guard workers[index].standing == .open else { continue }
            refresh(index, now, connections(workers[index].slot))
            if best.map({ workers[index].load < workers[$0].load }) ?? true { best = index }
        }
        guard let best else { return nil }
        turn = (best + 1) % workers.count
        return workers[best].descriptor
    }

    private mutating func refresh(_ index: Int, _ now: MonotonicTime, _ connections: UInt64) {
        let arrived = connections > workers[index].seen ? connections - workers[index].seen : 0
        workers[index].seen = connections
        workers[index].underWay -= min(arrived, workers[index].underWay)
        if now - workers[index].lastSent > Self.counted { workers[index].underWay = 0 }
    }

    /// A connection went to that worker.
    package mutating func countSent(descriptor: Int32, now: MonotonicTime) {
        guard let index = workers.firstIndex(where: { $0.descriptor == descriptor }) else { return }
        workers[index].underWay += 1
        workers[index].lastSent = now
    }
}
