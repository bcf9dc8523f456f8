/// The connections of one origin: how many there are, and which of them are idle, last used first.
///
/// Last in, first out keeps a few connections hot and lets the others grow old together at the front, where expiry
/// finds them. Sans-I/O: opening, closing and time are the caller's.
struct IdlePool<Connection: AnyObject> {
    private struct Entry {
        let connection: Connection
        let since: UInt32
    }

    /// What becomes of a connection whose answer is complete.
    enum Return: Equatable { case kept, full }

    private var idle: [Entry] = []
    /// Connections that exist or are being opened, idle ones included.
    private(set) var open = 0
    let idleLimit: Int
    let openLimit: Int

    init(idleLimit: Int, openLimit: Int) {
        self.idleLimit = idleLimit
        self.openLimit = openLimit
    }

    var idleCount: Int { idle.count }
    /// Whether nothing is left that a pool would be needed for.
    var isUnused: Bool { open == 0 }

    /// Takes the connection that was used last, or nil when none is idle.
    mutating func take() -> Connection? { idle.popLast()?.connection }

    /// Counts a connection about to be opened; false when the origin has as many as it may.
    mutating func reserve() -> Bool {
        guard open < openLimit else { return false }
        open += 1
        return true
    }

    /// Makes a connection idle from `tick` on, unless enough are; a connection that is not kept must be closed.
    mutating func put(_ connection: Connection, at tick: UInt32) -> Return {
        guard idle.count < idleLimit else { return .full }
        idle.append(Entry(connection: connection, since: tick))
        return .kept
    }

    /// Forgets a connection that is closed, or one that could not be opened (nil).
    ///
    /// Returns whether it was idle.
    mutating func remove(_ connection: Connection?) -> Bool {
        open -= 1
        guard let connection, let index = idle.lastIndex(where: { $0.connection === connection }) else { return false }
        idle.remove(at: index)
        return true
    }

    /// Takes out what has been idle for `age` ticks; the caller closes it.
    ///
    /// They still count as open until removed.
    mutating func expire(at tick: UInt32, age: UInt32) -> [Connection] {
        let young = idle.firstIndex { tick &- $0.since < age } ?? idle.count
        guard young > 0 else { return [] }
        let old = idle[..<young].map(\.connection)
        idle.removeFirst(young)
        return old
    }
}
