import GatewayCore
import NIOCore

/// One request and its answer, from the choice of a connection to the last byte.
@WorkerLoop
final class ProviderExchange {
    typealias HeadResult = Result<any UpstreamReply, GatewayError>

    private enum Phase {
        /// Successors: `connecting`, `awaitingHead`.
        case idle
        /// Successors: `awaitingHead`, `done`.
        case connecting(ConnectAttempt)
        /// Successors: `headed`, `connecting` (a stale connection is replaced), `done`.
        case awaitingHead
        /// The caller has the head and has not asked for the body yet. Successors: `relaying`, `done`.
        case headed
        /// Successor: `done`.
        case relaying(any ReplySink)
        case done
    }

    /// What a connection's end meant, kept until the bytes before it were delivered.
    private struct Ending {
        var end: ResponseReader.ConnectionEnd
        var reason: String?
        /// The exchange failed by itself; its own words are better than the connection's.
        var failure: GatewayError?
    }

    /// Bytes that may wait between the head and the start of delivery before reading stops.
    private static let heldLimit = 16 << 10

    private let request: UpstreamRequest
    private let client: PooledUpstream
    private var phase = Phase.idle
    private var connection: ProviderConnection?
    private var response: ResponseReader
    private var framer: BodyFramer
    /// Whoever waits for the head; nil once told.
    private var then: (@WorkerLoop (HeadResult) -> Void)?
    private var firstByteTimer: Scheduled<Void>?
    private var ending: Ending?
    private var hasRetried = false
    private var isReading = true
    private var isSending = false
    /// There was a reason to send while sending.
    private var isSendingWanted = false
    private var isDelivering = false
    /// How long the provider may be silent inside its answer; nil: as long as the request says.
    private var silenceLimit: Duration?

    /// - Parameter then: called once, with the head or with the reason why there is none.
    init(_ request: UpstreamRequest, client: PooledUpstream, _ then: @escaping @WorkerLoop (HeadResult) -> Void) {
        self.then = then
        self.request = request
        self.client = client
        response = ResponseReader(toHeadRequest: request.isHeadMethod)
        framer = BodyFramer(request.framing)
    }

    // MARK: Getting to a head

    func start() {
        if let timeout = request.firstByteTimeout {
            firstByteTimer = client.loop.scheduleTask(in: TimeAmount(timeout)) {
                WorkerLoop.onLoop { self.firstByteTimeoutPassed() }
            }
        }
        if let idle = client.takeIdle(for: request) { run(on: idle) } else { connect() }
    }

    private func connect() {
        let attempt = client.connect(for: request) { result in
            guard case .connecting = self.phase else { return }
            switch result {
            case .success(let connection): self.run(on: connection)
            case .failure(let failure): self.fail(GatewayError(failure))
            }
        }
        guard let attempt else {
            return fail(GatewayError(ConnectFailure(.limit, "too many connections to this origin")))
        }
        phase = .connecting(attempt)
        attempt.begin()
    }

    private func run(on connection: ProviderConnection) {
        phase = .awaitingHead
        self.connection = connection
        connection.begin(self)
        client.observer.record(.upstreamConnected(reused: connection.isReused))
        var batch = WriteBatch(request.head)
        if framer.isDone {
            batch.end(write: connection.write)
            connection.flush()
        } else {
            request.body.rewind { self.sendBody() }
            sendBody(after: &batch)
        }
        connection.read()
    }

    private func firstByteTimeoutPassed() {
        switch phase {
        case .connecting, .awaitingHead:
            fail(
                GatewayError(
                    .requestTimedOut, origin: .provider, retry: .always,
                    detail: "\(request.origin) did not answer within \(request.firstByteTimeout ?? .zero)"
                )
            )
        case .idle, .headed, .relaying, .done: break
        }
    }

    private func readHead() {
        switch response.nextHead() {
        case .needsMore: break
        case .malformed(let reason):
            fail(.providerBroke("\(request.origin) sent a malformed answer: \(reason)", retry: .always))
        case .head(let head):
            phase = .headed
            firstByteTimer?.cancel()
            firstByteTimer = nil
            let then = then
            self.then = nil
            then?(.success(ProviderReply(head: head, exchange: self)))
        }
    }

    // MARK: The request's body

    func writabilityChanged() { sendBody() }

    private func sendBody() {
        var batch = WriteBatch()
        sendBody(after: &batch)
    }

    /// Sends what there is as long as the connection takes it; `batch` may hold the head.
    private func sendBody(after batch: inout WriteBatch) {
        // Writing and flushing report changed writability from within, taking from the body may bring more of it.
        guard !isSending else {
            isSendingWanted = true
            return
        }
        guard let connection, !framer.isDone else { return }
        isSending = true
        defer { isSending = false }
        let body = request.body
        repeat {
            isSendingWanted = false
            do throws(BodyFramer.Mismatch) {
                while connection.isWritable, let bytes = body.next() {
                    try framer.frame(bytes) { batch.add($0, write: connection.write) }
                }
                if body.isDrained, body.state == .complete {
                    try framer.finish { batch.add($0, write: connection.write) }
                }
            } catch {
                switch error {
                case .tooLong: return fail(.clientBroke("the body is longer than announced"))
                case .tooShort: return fail(.clientBroke("the body is shorter than announced"))
                }
            }
            if body.state == .failed, body.isDrained, !framer.isDone {
                return fail(.clientBroke("the body broke off"))
            }
            batch.end(write: connection.write)
            connection.flush()
        } while isSendingWanted && self.connection === connection && !framer.isDone
    }

    // MARK: The answer

    /// Whether the connection should go on reading.
    var wantsBytes: Bool {
        switch phase {
        case .awaitingHead: true
        case .headed: response.bufferedBytes < Self.heldLimit
        case .relaying: isReading
        case .idle, .connecting, .done: true
        }
    }

    func received(_ bytes: ByteBuffer) {
        response.append(bytes)
        switch phase {
        case .awaitingHead: readHead()
        case .relaying: deliver()
        case .idle, .connecting, .headed, .done: break
        }
    }

    /// The connection is gone.
    func connectionEnded(_ end: ResponseReader.ConnectionEnd, reason: String?) {
        guard let connection else { return }
        self.connection = nil
        switch phase {
        case .awaitingHead:
            if connection.isReused, !response.sawByte, !hasRetried, request.body.canReplay {
                hasRetried = true
                framer = BodyFramer(request.framing)
                // Now, not when the new connection is open: until then the client may send so much that the body can
                // no longer be replayed, and what was already taken would be dropped.
                request.body.rewind {}
                client.observer.record(.upstreamRetriedStale)
                return connect()
            }
            let retry: GatewayError.Retry =
                connection.isReused && !response.sawByte ? .ifConnectionWasReused : .always
            fail(.providerBroke("\(request.origin) \(Self.phrase(reason)) before it answered", retry: retry))
        case .headed:
            ending = Ending(end: end, reason: reason)
        case .relaying:
            ending = Ending(end: end, reason: reason)
            deliver()
        case .idle, .connecting, .done: break
        }
    }

    private static func phrase(_ reason: String?) -> String {
        if let reason { "failed (\(reason))" } else { "closed the connection" }
    }

    func relay(to sink: any ReplySink) {
        guard case .headed = phase else { return }
        phase = .relaying(sink)
        deliver()
        if case .relaying = phase, isReading { connection?.read() }
    }

    func setReading(_ reading: Bool) {
        guard isReading != reading else { return }
        isReading = reading
        guard reading, case .relaying = phase else { return }
        connection?.restartIdleTime()
        deliver()
        if case .relaying = phase, isReading { connection?.read() }
    }

    /// Hands over what has arrived, and the answer's end when it is reached.
    private func deliver() {
        guard !isDelivering else { return }
        isDelivering = true
        defer { isDelivering = false }
        while isReading, case .relaying(let sink) = phase {
            // The sink may call back to pause or to give up, neither of which touches the reader.
            let step = response.nextPart { sink.observe($0) }
            guard case .relaying = phase else { return }
            switch step {
            case .part(let raw):
                sink.receive(raw, isLast: false)
            case .last(let raw):
                complete()
                return sink.receive(raw, isLast: true)
            case .malformed(let reason):
                return fail(.providerBroke("\(request.origin) sent a malformed answer: \(reason)", retry: .never))
            case .needsMore:
                guard let ending else { return }
                if let failure = ending.failure { return fail(failure) }
                if response.end(ending.end) {
                    complete()
                    return sink.receive(ByteBuffer(), isLast: true)
                }
                let phrase = Self.phrase(ending.reason)
                return fail(.providerBroke("\(request.origin) \(phrase) inside its answer", retry: .never))
            }
        }
    }

    // MARK: Ends

    /// Nothing has moved on the connection for so many ticks of a second, of which the first was not a whole one.
    func checkIdleTime(ticks: UInt32) {
        guard ticks > 1 else { return }
        let quiet = Duration.seconds(Int64(ticks) - 1)
        if let silenceLimit, quiet >= silenceLimit, isReading, case .relaying = phase {
            return fail(
                GatewayError(
                    .requestTimedOut, origin: .provider,
                    detail: "the stream of \(request.origin) stalled: no byte for \(silenceLimit)"
                )
            )
        }
        guard quiet >= request.idleTimeout else { return }
        let isAnswering: Bool
        switch phase {
        case .awaitingHead: isAnswering = false
        case .headed, .relaying: isAnswering = true
        case .idle, .connecting, .done: return
        }
        fail(
            .providerBroke(
                "no byte to or from \(request.origin) for \(request.idleTimeout)", retry: isAnswering ? .never : .always
            )
        )
    }

    /// Allows less silence from here on than the request did.
    func limitSilence(to limit: Duration) { silenceLimit = limit }

    /// Ends without another word to the sink; who waits for the head gets an error.
    func cancel() {
        switch phase {
        case .done: return
        case .headed:
            // The body may be here already: then the connection is as good as new.
            if case .last = response.nextPart(observe: { _ in }) { return complete() }
            close()
        case .relaying: close()
        case .idle, .connecting, .awaitingHead:
            let then = then
            close()
            then?(.failure(GatewayError(.providerUnreachable, origin: .client, detail: "cancelled")))
        }
    }

    /// The answer is complete: the connection serves the next request, if it can.
    private func complete() {
        phase = .done
        request.body.detach()
        guard let connection else { return }
        self.connection = nil
        connection.endExchange()
        if framer.isDone, response.leavesConnectionUsable {
            client.giveBack(connection)
        } else {
            client.discard(connection)
        }
    }

    private func fail(_ error: GatewayError) {
        var error = error
        var sink: (any ReplySink)?
        switch phase {
        case .done: return
        case .headed:
            // Nobody listens yet; told when delivery starts.
            ending = Ending(end: .broken, failure: error)
            closeConnection()
            return
        case .relaying(let listener):
            sink = listener
            error.retry = .never
        case .idle, .connecting, .awaitingHead: break
        }
        let then = then
        close()
        client.observer.record(.upstreamFailed(origin: request.origin.description, reason: error.detail))
        then?(.failure(error))
        sink?.fail(error)
    }

    /// Lets go of everything; nothing is reported afterwards.
    private func close() {
        if case .connecting(let attempt) = phase { attempt.cancel() }
        phase = .done
        then = nil
        firstByteTimer?.cancel()
        firstByteTimer = nil
        request.body.detach()
        closeConnection()
    }

    private func closeConnection() {
        guard let connection else { return }
        self.connection = nil
        connection.endExchange()
        client.discard(connection)
    }
}
