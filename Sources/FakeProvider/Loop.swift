import CEpoll
import Glibc

/// One thread's share: a listener of its own on the common port, one epoll instance, no locks.
final class Loop {
    private let poll: Int32
    private let listener: Int32
    let port: UInt16
    private let openAI = Answers(.openAI)
    private let anthropic = Answers(.anthropic)
    private let gemini = Answers(.gemini)
    private let pace: UInt64
    private var connections: [Connection?] = []
    private var serials: UInt64 = 0
    /// Streams that wait for their next event, soonest first.
    private var due: [(at: UInt64, descriptor: Int32, serial: UInt64)] = []
    private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 * 1024, alignment: 16)

    init(port: UInt16, pace: UInt64) throws(LoopError) {
        self.pace = pace
        poll = epoll_create1(Int32(EPOLL_CLOEXEC))
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        self.listener = listener
        guard poll >= 0, listener >= 0 else { throw .system("socket", errno) }
        var yes: Int32 = 1
        setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { address -> Bool in
                bind(listener, address, length) == 0 && listen(listener, 4096) == 0
                    && getsockname(listener, address, &length) == 0
            }
        }
        guard bound else { throw .system("listen on 127.0.0.1:\(port)", errno) }
        self.port = UInt16(bigEndian: address.sin_port)
        Self.makeNonBlocking(listener)
        watch(listener, for: EPOLLIN.rawValue, operation: EPOLL_CTL_ADD)
    }

    func run() -> Never {
        var events = [epoll_event](repeating: epoll_event(), count: 512)
        while true {
            let count = epoll_wait(poll, &events, Int32(events.count), waitTime())
            for event in events.prefix(Int(max(count, 0))) {
                let descriptor = event.data.fd
                if descriptor == listener {
                    acceptAll()
                } else if let connection = connections[Int(descriptor)] {
                    serve(connection, ready: event.events)
                }
            }
            sendDueEvents()
        }
    }

    // MARK: Connections

    private func acceptAll() {
        while true {
            let descriptor = accept(listener, nil, nil)
            guard descriptor >= 0 else { return }
            Self.makeNonBlocking(descriptor)
            var yes: Int32 = 1
            setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
            while connections.count <= Int(descriptor) { connections.append(nil) }
            serials += 1
            connections[Int(descriptor)] = Connection(descriptor: descriptor, serial: serials)
            watch(descriptor, for: EPOLLIN.rawValue, operation: EPOLL_CTL_ADD)
        }
    }

    private func drop(_ connection: Connection) {
        connections[Int(connection.descriptor)] = nil
        close(connection.descriptor)
    }

    private func serve(_ connection: Connection, ready: UInt32) {
        if ready & EPOLLOUT.rawValue != 0 {
            guard connection.flush() else { return drop(connection) }
            if !connection.hasUnsent {
                if connection.closesWhenSent, connection.nextEvent == nil { return drop(connection) }
                watch(connection.descriptor, for: EPOLLIN.rawValue, operation: EPOLL_CTL_MOD)
            }
        }
        if ready & (EPOLLIN.rawValue | EPOLLHUP.rawValue | EPOLLERR.rawValue) != 0 {
            receive(on: connection)
        }
    }

    private func receive(on connection: Connection) {
        let count = recv(connection.descriptor, room.baseAddress, room.count, 0)
        if count < 0, errno == EAGAIN { return }
        guard count > 0 else { return drop(connection) }
        let arrived = UnsafeRawBufferPointer(rebasing: room[..<count])
        if connection.received.isEmpty, connection.nextEvent == nil {
            let consumed = answerRequests(in: arrived, on: connection)
            if let consumed, consumed < count { connection.received += arrived[consumed...] }
        } else {
            connection.received += arrived
            answerKeptRequests(on: connection)
        }
    }

    // MARK: Requests

    private func answerKeptRequests(on connection: Connection) {
        guard connection.nextEvent == nil, !connection.received.isEmpty else { return }
        let bytes = connection.received
        if let consumed = bytes.withUnsafeBytes({ answerRequests(in: $0, on: connection) }) {
            connection.received.removeFirst(consumed)
        }
    }

    /// Answers the whole requests in `bytes`; returns how many bytes they were, nil when the connection is gone.
    private func answerRequests(in bytes: UnsafeRawBufferPointer, on connection: Connection) -> Int? {
        var consumed = 0
        while consumed < bytes.count, connection.nextEvent == nil, !connection.closesWhenSent {
            switch RequestScanner.scan(UnsafeRawBufferPointer(rebasing: bytes[consumed...])) {
            case .incomplete:
                return consumed
            case .malformed:
                connection.closesWhenSent = true
                return finish(connection, sent: connection.send(Answers.malformed)) ? bytes.count : nil
            case .request(let length, let facts):
                consumed += length
                connection.closesWhenSent = facts.closes
                if facts.wantsStream {
                    connection.dialect = facts.dialect
                    guard startStream(on: connection, pace: facts.pace ?? pace) else { return nil }
                } else {
                    guard finish(connection, sent: connection.send(answers(facts.dialect).whole)) else { return nil }
                }
            }
        }
        return consumed
    }

    /// After an answer: keeps the connection, waits for the kernel to take the rest, or closes.
    private func finish(_ connection: Connection, sent: Bool) -> Bool {
        guard sent, connection.hasUnsent || !connection.closesWhenSent else {
            drop(connection)
            return false
        }
        if connection.hasUnsent {
            watch(connection.descriptor, for: EPOLLIN.rawValue | EPOLLOUT.rawValue, operation: EPOLL_CTL_MOD)
        }
        return true
    }

    private func answers(_ dialect: Dialect) -> Answers {
        switch dialect {
        case .openAI: openAI
        case .anthropic: anthropic
        case .gemini: gemini
        }
    }

    // MARK: Streams

    private func startStream(on connection: Connection, pace: UInt64) -> Bool {
        guard connection.send(answers(connection.dialect).streamHead) else {
            drop(connection)
            return false
        }
        connection.nextEvent = 0
        connection.pace = pace
        return pace == 0 ? sendAllEvents(on: connection) : sendNextEvent(on: connection, now: Self.now())
    }

    private func sendAllEvents(on connection: Connection) -> Bool {
        var alive = true
        for event in answers(connection.dialect).events where alive {
            alive = connection.send(event)
        }
        connection.nextEvent = nil
        return finish(connection, sent: alive)
    }

    private func sendNextEvent(on connection: Connection, now: UInt64) -> Bool {
        guard let index = connection.nextEvent else { return true }
        let events = answers(connection.dialect).events
        let alive = connection.send(events[index])
        let isLast = index == events.count - 1
        connection.nextEvent = isLast ? nil : index + 1
        if alive, !isLast {
            // Streams of one pace arrive in order, so the search from the back ends at once.
            let at = now + connection.pace
            var place = due.count
            while place > 0, due[place - 1].at > at { place -= 1 }
            due.insert((at, connection.descriptor, connection.serial), at: place)
            if !connection.hasUnsent { return true }
        }
        return finish(connection, sent: alive)
    }

    private func sendDueEvents() {
        guard let first = due.first, first.at <= Self.now() else { return }
        let now = Self.now()
        let ready = due.prefix { $0.at <= now }
        due.removeFirst(ready.count)
        for entry in ready {
            guard let connection = connections[Int(entry.descriptor)], connection.serial == entry.serial else {
                continue
            }
            if sendNextEvent(on: connection, now: entry.at), connection.nextEvent == nil {
                answerKeptRequests(on: connection)
            }
        }
    }

    // MARK: System

    private func waitTime() -> Int32 {
        guard let first = due.first else { return -1 }
        let now = Self.now()
        return first.at <= now ? 0 : Int32((first.at - now + 999_999) / 1_000_000)
    }

    private func watch(_ descriptor: Int32, for events: UInt32, operation: Int32) {
        var event = epoll_event(events: events, data: epoll_data_t(fd: descriptor))
        epoll_ctl(poll, operation, descriptor, &event)
    }

    private static func now() -> UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func makeNonBlocking(_ descriptor: Int32) {
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
    }
}

/// Why a loop could not start.
enum LoopError: Error {
    case system(String, Int32)

    var message: String {
        switch self {
        case .system(let what, let code): "\(what): \(String(cString: strerror(code)))"
        }
    }
}
