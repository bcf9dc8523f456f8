/// What a client connection waits for, and since when; in the registry's seconds.
struct ConnectionPatience {
    /// What the connection waits for.
    enum Subject {
        /// The first byte of a request.
        case request
        /// The rest of a head.
        case head
        /// The gateway itself, or a client that takes what it is sent.
        case answer
        /// A client that takes none of what waits for it.
        case reader
        /// The rest of a body.
        case body
        /// The end of the connection.
        case end
    }

    /// When something last moved.
    var lastActivity: Int
    /// When the head that is being received began.
    var headSince: Int
    /// Since when the connection is ending.
    var endingSince: Int?
    /// Whether an answer's bytes are still on their way to a client that reads slowly.
    var awaitsWrites = false

    init(now: Int) {
        lastActivity = now
        headSince = now
    }

    func isOver(_ subject: Subject, now: Int, _ deadlines: ConnectionRegistry.Deadlines) -> Bool {
        let quiet = now - lastActivity
        return switch subject {
        case .request: quiet > deadlines.idle
        case .head: now - headSince > deadlines.head
        case .answer: false
        case .reader: quiet > deadlines.stalledReader
        case .body: quiet > deadlines.body
        case .end: now - (endingSince ?? lastActivity) > (awaitsWrites ? deadlines.stalledReader : deadlines.linger)
        }
    }
}
