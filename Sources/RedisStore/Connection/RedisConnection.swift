package import GatewayCore
package import NIOCore

/// The worker's one connection to Redis.
///
/// All commands of one loop tick leave in one write; replies are matched in order. An answer that is late means that
/// the connection is stuck: everything waiting is told so, and later operations are refused at once until a new
/// connection has answered a probe. An operation that carries many bytes has a millisecond more for each 64 KiB, and
/// as long as bytes of an answer arrive nothing is late.
@WorkerLoop
package final class RedisConnection {
    /// Who lets collected commands out.
    package enum FlushPolicy: Sendable {
        /// The connection, once per loop tick.
        case eachTick
        /// Whoever owns it, by calling `flush()` at the end of a turn.
        case byOwner
    }

    /// Waiting times and bounds.
    package struct Options: Sendable {
        /// An operation is given up after this time.
        package var deadline = Duration.milliseconds(20)
        /// The part of `deadline` that is left for answers which arrived while the loop itself was busy.
        package var grace = Duration.milliseconds(2)
        /// A new connection that has not answered its first commands after this time is given up.
        package var connectDeadline = Duration.seconds(1)
        /// More operations at once are refused.
        package var maxWaiting = 16_384
        /// More bytes in one tick are refused.
        package var maxOutgoing = 16 << 20
        package init() {}
    }

    /// A command that a new connection begins with.
    private struct Greeting {
        var name: String
        /// Set when the command loads it; refusing that does not make Redis unavailable.
        var script: RedisScript?
    }

    private struct Waiting {
        var deadline: NIODeadline
        var operation: any RedisOperation
    }

    package private(set) var health: RedisHealth
    private let dialer: RedisDialer
    private let loop: any EventLoop
    private let observer: any Observer
    private let clock: any WallClock
    private let flushPolicy: FlushPolicy
    private let options: Options

    private let scripts: [RedisScript]

    private var breaker = Breaker(longestDelay: .milliseconds(250))
    private var channel: (any Channel)?
    private var reader: ReplyReader?
    /// Tells callbacks of a connection that was given up from those of the present one.
    private var attempt: UInt64 = 0
    private var isClosed = false
    private var handshake: [Greeting] = []
    private var waiting = CircularBuffer<Waiting>(initialCapacity: 64)
    private var outgoing = ByteBuffer()
    /// Most bytes of room that are held for the next tick.
    private static let mostOutgoingKept = 64 << 10
    private var isFlushScheduled = false
    /// How many operations were answered: the number of the first that waits.
    private var answered: UInt64 = 0
    private var isTimerRunning = false
    /// How many of `waiting` have not left yet, and the time that their size adds.
    private var unsent = 0
    private var unsentTime = TimeAmount.zero
    /// When bytes came last.
    private var heardAt = NIODeadline.uptimeNanoseconds(0)
    /// The operation whose deadline has passed once already.
    private var suspect: UInt64?

    /// - Parameters:
    ///   - caFile: PEM file with additional roots for TLS.
    ///   - loop: the worker's loop, on which everything here runs.
    ///   - scripts: loaded at the beginning of every connection.
    package init(
        _ endpoint: RedisEndpoint, caFile: String? = nil, loop: any EventLoop, observer: any Observer,
        clock: any WallClock, flush: FlushPolicy = .eachTick, scripts: [RedisScript] = [], options: Options = Options()
    ) throws(RedisStoreError) {
        self.scripts = scripts
        dialer = try RedisDialer(endpoint, caFile: caFile)
        self.loop = loop
        self.observer = observer
        self.clock = clock
        self.flushPolicy = flush
        self.options = options
        health = RedisHealth(.unknown, since: clock.now)
    }

    /// Connects now and, from then on, whenever the connection is lost.
    package func start() {
        guard !isClosed, breaker.state == .open else { return }
        probe()
    }

    /// Closes for good; what waits is told that Redis is unavailable.
    package func close() {
        isClosed = true
        attempt += 1
        drop()
    }

    // MARK: Operations

    /// Redis' answer, or nil when it is unavailable.
    package func send(_ command: RedisCommand) async -> RedisReply? {
        await withCheckedContinuation { continuation in
            send(command) { continuation.resume(returning: $0) }
        }
    }

    /// The same with a callback, which is called exactly once: at once when Redis is unavailable.
    package func send(_ command: RedisCommand, _ completion: @escaping @WorkerLoop (RedisReply?) -> Void) {
        send(CommandOperation(command, completion))
    }

    /// Sends an operation, which gets its answer exactly once: at once, and nil, when Redis is unavailable.
    package func send(_ operation: any RedisOperation) {
        let size = operation.size
        guard !isClosed, breaker.admitsOperations, waiting.count < options.maxWaiting,
            outgoing.readableBytes + size < options.maxOutgoing, operation.write(into: &outgoing)
        else { return operation.take(nil) }
        // Due from when it leaves; until then nobody can be late with an answer.
        waiting.append(Waiting(deadline: .distantFuture, operation: operation))
        unsent += 1
        if size > 1 << 16 { unsentTime = unsentTime + .milliseconds(Int64(size >> 16)) }
        if flushPolicy == .eachTick, !isFlushScheduled {
            isFlushScheduled = true
            loop.execute {
                WorkerLoop.onLoop {
                    self.isFlushScheduled = false
                    self.flush()
                }
            }
        }
    }

    /// Writes everything collected since the last flush.
    package func flush() {
        guard outgoing.readableBytes > 0, let channel else { return }
        channel.writeAndFlush(outgoing, promise: nil)
        // As a rule the socket has taken it all: the next tick fills the same memory, which is in the cache still.
        if outgoing.capacity > Self.mostOutgoingKept { outgoing = ByteBuffer() } else { outgoing.clear() }
        startWaiting()
    }

    /// Sets when the answers to what has just left are due.
    private func startWaiting() {
        // Answers come in order: nothing is due before what was asked before it.
        var index = waiting.index(waiting.endIndex, offsetBy: -min(unsent, waiting.count))
        let before = index > waiting.startIndex ? waiting[waiting.index(before: index)].deadline : heardAt
        let deadline = max(.now() + patience + unsentTime, before)
        while index < waiting.endIndex {
            waiting[index].deadline = deadline
            index = waiting.index(after: index)
        }
        unsent = 0
        unsentTime = .zero
        if !isTimerRunning, !waiting.isEmpty { startTimer(at: deadline) }
    }

    // MARK: Deadlines

    private var patience: TimeAmount { .nanoseconds((options.deadline - options.grace).wholeNanoseconds) }

    private func startTimer(at deadline: NIODeadline) {
        isTimerRunning = true
        loop.scheduleTask(deadline: deadline) { WorkerLoop.onLoop { self.timerFired() } }
    }

    private func timerFired() {
        isTimerRunning = false
        // What has not left yet is timed when it does.
        guard let first = waiting.first, first.deadline < .distantFuture else { return }
        let now = NIODeadline.now()
        let due = max(first.deadline, heardAt + patience)
        if due > now { return startTimer(at: due) }
        if suspect == answered {
            trip("no answer within \(options.deadline)")
        } else {
            // If it was the loop that was late, answers lie in the socket and are read before the timer fires again.
            suspect = answered
            startTimer(at: now + max(.nanoseconds(options.grace.wholeNanoseconds), now - due))
        }
    }

    // MARK: Connecting

    private func probe() {
        guard let reader = ReplyReader() else { return scheduleProbe() }
        breaker.startProbe()
        attempt += 1
        self.reader = reader
        let attempt = attempt
        let future = dialer.connect(on: loop, within: .nanoseconds(options.connectDeadline.wholeNanoseconds)) {
            channel in
            try WorkerLoop.onLoop {
                try channel.pipeline.syncOperations.addHandler(RedisInbound(self, attempt: attempt))
            }
        }
        future.whenComplete { result in
            WorkerLoop.onLoop {
                switch result {
                case .success(let channel): self.connected(channel, attempt: attempt)
                case .failure(let error): self.lost("cannot connect: \(error)", attempt: attempt)
                }
            }
        }
        loop.scheduleTask(in: .nanoseconds(options.connectDeadline.wholeNanoseconds)) {
            WorkerLoop.onLoop {
                if self.breaker.state == .halfOpen {
                    self.lost("no answer within \(self.options.connectDeadline)", attempt: attempt)
                }
            }
        }
    }

    private func connected(_ channel: any Channel, attempt: UInt64) {
        guard attempt == self.attempt, breaker.state == .halfOpen else { return channel.close(promise: nil) }
        self.channel = channel
        outgoing.clear()
        handshake = []
        for (name, command) in dialer.handshake where command.write(into: &outgoing) {
            handshake.append(Greeting(name: name))
        }
        for script in scripts where script.load.write(into: &outgoing) {
            handshake.append(Greeting(name: "SCRIPT LOAD", script: script))
        }
        handshake.reverse()
        flush()
    }

    private func scheduleProbe() {
        guard !isClosed else { return }
        loop.scheduleTask(in: .nanoseconds(breaker.delay.wholeNanoseconds)) {
            WorkerLoop.onLoop {
                if !self.isClosed, self.breaker.state == .open { self.probe() }
            }
        }
    }

    // MARK: What the connection reports

    func received(_ buffer: ByteBuffer, attempt: UInt64) {
        guard attempt == self.attempt, let reader else { return }
        heardAt = .now()
        do {
            try reader.feed(buffer)
            while attempt == self.attempt, let reply = try reader.next() { take(reply) }
        } catch {
            lost(error.reason, attempt: attempt)
        }
    }

    private func take(_ reply: RedisReply) {
        if breaker.state == .halfOpen {
            guard let greeting = handshake.popLast() else { return trip("an answer without a question") }
            if let script = greeting.script {
                script.loaded(reply)
            } else if case .error(let message) = reply {
                return trip("\(greeting.name) was refused: \(message)")
            }
            if handshake.isEmpty {
                breaker.probeSucceeded()
                note(.available)
            }
        } else if let first = waiting.popFirst() {
            answered += 1
            first.operation.take(reply)
        } else {
            trip("an answer without a question")
        }
    }

    /// The connection cannot be used any more.
    func lost(_ reason: String, attempt: UInt64) {
        guard attempt == self.attempt, !isClosed else { return }
        trip(reason)
    }

    private func trip(_ reason: String) {
        attempt += 1
        breaker.trip()
        note(.unavailable(reason: reason))
        drop()
        scheduleProbe()
    }

    private func drop() {
        channel?.close(promise: nil)
        channel = nil
        reader = nil
        outgoing.clear()
        let abandoned = waiting
        waiting.removeAll(keepingCapacity: true)
        unsent = 0
        unsentTime = .zero
        answered += UInt64(abandoned.count)
        for waiter in abandoned { waiter.operation.take(nil) }
    }

    private func note(_ state: RedisHealth.State) {
        switch (health.state, state) {
        case (.available, .available), (.unavailable, .unavailable):
            // The time stands for the state, not for the reason.
            health.state = state
            return
        default: health = RedisHealth(state, since: clock.now)
        }
        switch state {
        case .unknown: break
        case .available: observer.record(.storeAvailable(.redis))
        case .unavailable(let reason): observer.record(.storeUnavailable(.redis, reason: reason))
        }
    }
}

extension Duration {
    /// Rounded down.
    fileprivate var wholeNanoseconds: Int64 {
        components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000
    }
}
