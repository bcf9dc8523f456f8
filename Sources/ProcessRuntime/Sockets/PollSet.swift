import Glibc

/// A few descriptors to wait for.
package struct PollSet {
    package enum Interest: Sendable { case readable, writable }

    private var entries: [pollfd] = []

    package init() {}

    package mutating func removeAll() { entries.removeAll(keepingCapacity: true) }

    /// Waits for this one too.
    package mutating func add(_ descriptor: Int32, _ interest: Interest = .readable) {
        entries.append(pollfd(fd: descriptor, events: Int16(interest == .readable ? POLLIN : POLLOUT), revents: 0))
    }

    /// Waits until a descriptor is ready or in error, or the time is over (nil: for ever); answers those descriptors.
    ///
    /// Returns early, with nothing, when a signal arrives.
    package mutating func wait(_ time: Duration?) -> [Int32] {
        var timeout: Int32 = -1
        if let time {
            let parts = time.components
            // Rounded up: a loop must not spin through the last millisecond before a deadline.
            let milliseconds = parts.seconds * 1000 + (parts.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
            timeout = Int32(clamping: max(0, milliseconds))
        }
        let count = unsafe entries.withUnsafeMutableBufferPointer {
            unsafe poll($0.baseAddress, nfds_t($0.count), timeout)
        }
        guard count > 0 else { return [] }
        return entries.filter { $0.revents != 0 }.map(\.fd)
    }
}
