import CloudflareWire
package import GatewayCore
import Glibc
package import NIOCore
package import Pipeline
import WireFormats

/// One client connection: reads requests one after the other and writes their answers.
///
/// Input is parsed as far as the present exchange allows; bytes of a pipelined next request wait, bounded. An answer's
/// last bytes leave at the end of the turn, so that the record is on disk before the client knows the end.
@WorkerLoop
package final class ClientConnection: Downstream {
    /// How far the present answer is.
    private enum Output: Equatable {
        case none
        case pending
        case sent
    }

    /// Answers up to this size are joined with their head into one write.
    private static let joinLimit = 16 << 10

    private let registry: ConnectionRegistry
    private let memo = ConnectionMemo()
    /// The socket, for handing the connection over; nil when it carries TLS.
    private let descriptor: Int32?
    private var context: ChannelHandlerContext?
    private var reader = RequestReader()
    private var patience: ConnectionPatience
    private var output = Output.none
    private var exchange: Exchange?
    private var answerHead: ByteBuffer?
    private var writable: (@WorkerLoop () -> Void)?
    private var closesAfter = false
    private var isClosing = false
    private var waitsForContinue = false
    private var isBodyPaused = false
    private var isReadHeld = false
    private var isDirty = false
    private var isProcessing = false

    package private(set) var version = HTTPVersion.http11

    /// - Parameter descriptor: the connection's socket if it may be handed to another worker while idle.
    package init(registry: ConnectionRegistry, descriptor: Int32?) {
        self.registry = registry
        self.descriptor = descriptor
        patience = ConnectionPatience(now: registry.second)
    }

    // MARK: The channel's side

    func attach(_ context: ChannelHandlerContext) {
        self.context = context
        isWritable = context.channel.isWritable
        registry.add(self)
    }

    func detach() {
        context = nil
        isWritable = false
        registry.remove(self)
    }

    func receive(_ bytes: ByteBuffer) {
        if case .discarding = reader.place { return }
        patience.lastActivity = registry.second
        if reader.isEmpty { patience.headSince = registry.second }
        reader.append(bytes)
        process()
    }

    func peerClosed() {
        isClosing = true
        reader.discard()
        writable = nil
        let gone = exchange
        exchange = nil
        if output != .sent { gone?.clientGone() }
    }

    func writabilityChanged() {
        isWritable = context?.channel.isWritable ?? false
        if isWritable { writable?() }
    }

    /// Asked by the channel before each read; a refusal is made up for by `resumeReading`.
    func allowsReading() -> Bool {
        isReadHeld = isBodyPaused || reader.isFull
        return !isReadHeld
    }

    private func resumeReading() {
        guard isReadHeld, !isBodyPaused, !reader.isFull else { return }
        isReadHeld = false
        context?.read()
    }

    // MARK: Input

    private func process() {
        guard !isProcessing else { return }
        isProcessing = true
        takeSteps()
        isProcessing = false
        // Now, with everything that came along with the head: a small body then leaves together with it.
        exchange?.start()
    }

    private func takeSteps() {
        while true {
            switch reader.next() {
            case .wait: return
            case .head(let head): startExchange(of: head)
            case .body(let payload, let isLast):
                waitsForContinue = false
                if payload.readableBytes > 0 { exchange?.receive(payload) }
                if isLast { finishBody() }
            case .refused(let error): return refuse(error)
            case .broken(let error):
                waitsForContinue = false
                exchange?.failBody()
                if exchange == nil, output == .none { refuse(error) }
                closesAfter = true
                return
            }
        }
    }

    /// Answers the request whose head has come.
    private func startExchange(of head: RequestHead) {
        version = head.version
        closesAfter = !head.keepsAlive
        waitsForContinue = head.expectsContinue && head.framing != .none
        output = .pending
        if answerLocally(head) { return }
        let exchange = Exchange(environment: registry.environment, memo: memo, head: head, downstream: self)
        self.exchange = exchange
        // The exchange holds this connection already, until it is settled; weak references would slow down all others.
        exchange.onDemandChange { wanted in self.bodyDemandChanged(wanted) }
    }

    private func finishBody() {
        exchange?.finishBody()
        if output == .sent, !isDirty { finishExchange() }
    }

    private func bodyDemandChanged(_ wanted: Bool) {
        isBodyPaused = !wanted
        if wanted { resumeReading() }
    }

    private func answerLocally(_ head: RequestHead) -> Bool {
        let surface = head.withBytes { bytes -> Address.Surface in
            guard head.target.count < 64 else { return .native }
            return Address(bytes, target: head.target).surface
        }
        guard let (status, json) = registry.local.answer(surface) else { return false }
        let isHead = head.withBytes { ("HEAD" as StaticString).equals($0, head.method) }
        let note = connectionNote
        begin(
            OwnAnswer.head(
                status: status, contentType: ErrorBody.contentType, length: json.readableBytes, note: note
            ), note
        )
        send(isHead ? ByteBuffer() : json, isLast: true)
        return true
    }

    /// Answers bytes that are no acceptable request and ends the connection.
    private func refuse(_ error: HTTP1Error) {
        registry.environment.observer.record(.requestMalformed(reason: error.reason))
        closesAfter = true
        let kind: GatewayError.Kind = error.isTooLarge ? .headTooLarge : .malformedRequest
        let rendered = ErrorBody(GatewayError(kind, origin: .client, detail: error.reason))
        let json = rendered.json
        output = .pending
        begin(
            OwnAnswer.head(
                status: rendered.status, contentType: ErrorBody.contentType, length: json.readableBytes, note: .close
            ), .close
        )
        send(json, isLast: true)
    }

    // MARK: Output

    package var connectionNote: ConnectionNote {
        if endsAfterAnswer { return .close }
        return version == .http10 ? .keepAlive : .none
    }

    private var endsAfterAnswer: Bool {
        if closesAfter || isClosing { return true }
        // What cannot be handed over, a draining worker ends in the regular way.
        if registry.isDraining, descriptor == nil || !registry.canHandBack { return true }
        return !reader.isRequestComplete
    }

    /// Whether the channel takes more bytes now; kept here because the channel is far to ask.
    package private(set) var isWritable = false

    package func onWritable(_ action: (@WorkerLoop () -> Void)?) { writable = action }

    package func askForBody() {
        guard waitsForContinue, answerHead == nil, output == .pending else { return }
        waitsForContinue = false
        write(ByteBuffer(string: "HTTP/1.1 100 Continue\r\n\r\n"), flush: .now)
    }

    package func begin(_ head: ByteBuffer, _ note: ConnectionNote) {
        if note == .close || !reader.isRequestComplete { closesAfter = true }
        answerHead = head
        markDirty()
    }

    package func send(_ bytes: ByteBuffer, isLast: Bool) {
        guard context != nil else { return }
        patience.lastActivity = registry.second
        var out = bytes
        if var head = answerHead {
            answerHead = nil
            if bytes.readableBytes <= Self.joinLimit {
                head.writeImmutableBuffer(bytes)
                out = head
            } else {
                write(head, flush: .later)
            }
        }
        if isLast {
            output = .sent
            if out.readableBytes > 0 { write(out, flush: .later) }
            markDirty()
        } else if out.readableBytes > 0 {
            write(out, flush: .now)
        }
    }

    package func abort() {
        isClosing = true
        reader.discard()
        writable = nil
        exchange = nil
        if let head = answerHead {
            answerHead = nil
            write(head, flush: .later)
        }
        if version == .http10 { resetOnClose() }
        closeAfterWrites()
    }

    /// Makes the close a reset: to an HTTP/1.0 client a regular end would look like the end of a complete answer.
    private func resetOnClose() {
        guard let descriptor, context?.channel.isActive == true else { return }
        var now = Glibc.linger(l_onoff: 1, l_linger: 0)
        _ = setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<Glibc.linger>.size))
    }

    private enum Flush { case now, later }

    private func write(_ bytes: ByteBuffer, flush: Flush) {
        guard let context else { return }
        context.write(NIOAny(bytes), promise: nil)
        if flush == .now { context.flush() }
    }

    private func markDirty() {
        guard !isDirty else { return }
        isDirty = true
        registry.flushAtTurnEnd(self)
    }

    /// Sends what waits and, when the answer is complete, goes on to the next request or ends the connection.
    func endTurn() {
        isDirty = false
        guard let context else { return }
        if let head = answerHead {
            answerHead = nil
            context.write(NIOAny(head), promise: nil)
        }
        context.flush()
        if output == .sent { finishExchange() }
    }

    private func finishExchange() {
        guard output == .sent else { return }
        exchange = nil
        writable = nil
        if closesAfter || isClosing {
            if !reader.isRequestComplete { return linger() }
            return closeAfterWrites()
        }
        guard reader.isRequestComplete else { return }
        output = .none
        reader.startOver()
        patience.headSince = registry.second
        isBodyPaused = false
        process()
        resumeReading()
        if registry.isDraining { leaveIfIdle() }
    }

    /// Ends the sending side and lets the client finish what it was sending, so that it gets to read the answer.
    private func linger() {
        reader.discard()
        isBodyPaused = false
        resumeReading()
        guard !isClosing, let context else { return }
        isClosing = true
        afterWrites(context) { $0.close(mode: .output, promise: nil) }
    }

    private func closeAfterWrites() {
        isClosing = true
        reader.discard()
        guard let context else { return }
        afterWrites(context) { $0.close(promise: nil) }
    }

    /// Runs `action` when everything written so far has left.
    private func afterWrites(_ context: ChannelHandlerContext, _ action: @escaping @WorkerLoop (any Channel) -> Void) {
        let written = context.eventLoop.makePromise(of: Void.self)
        let channel = context.channel
        patience.awaitsWrites = true
        patience.endingSince = registry.second
        let connection = self
        written.futureResult.whenComplete { _ in
            WorkerLoop.onLoop {
                connection.patience.awaitsWrites = false
                connection.patience.endingSince = connection.registry.second
                action(channel)
            }
        }
        context.writeAndFlush(NIOAny(ByteBuffer()), promise: written)
    }

    // MARK: Deadlines and drain

    func checkDeadlines(now: Int) {
        guard let context, patience.isOver(awaited, now: now, registry.deadlines) else { return }
        context.close(promise: nil)
    }

    private var awaited: ConnectionPatience.Subject {
        switch reader.place {
        case .head where exchange == nil && output == .none: reader.isEmpty ? .request : .head
        case .head, .done: isWritable ? .answer : .reader
        case .length, .chunked: isBodyPaused ? .answer : .body
        case .discarding: .end
        }
    }

    /// Gives the connection to another worker if it is between requests.
    func leaveIfIdle() {
        guard let context, !isClosing, case .head = reader.place, exchange == nil, output == .none,
            reader.isEmpty, !isDirty
        else { return }
        if let descriptor {
            if registry.handBack(descriptor: descriptor) == .later { return }
        } else if registry.canHandBack {
            // TLS: the client learns with its next answer that the connection ends.
            return
        }
        isClosing = true
        reader.discard()
        context.close(promise: nil)
    }
}

extension HTTP1Error {
    /// Whether the request was refused for its size alone.
    var isTooLarge: Bool {
        switch self {
        case .headTooLarge, .tooManyFields: true
        default: false
        }
    }
}
