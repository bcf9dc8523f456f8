import Glibc

/// A moment on the clock that never jumps, in microseconds since an arbitrary start.
///
/// For deadlines, not for dates.
package struct MonotonicTime: Sendable, Hashable, Comparable {
    package var microseconds: Int64

    package init(microseconds: Int64) { self.microseconds = microseconds }

    package static func now() -> MonotonicTime {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return MonotonicTime(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    package static func < (left: MonotonicTime, right: MonotonicTime) -> Bool { left.microseconds < right.microseconds }

    package static func + (left: MonotonicTime, right: Duration) -> MonotonicTime {
        let parts = right.components
        return MonotonicTime(
            microseconds: left.microseconds + parts.seconds * 1_000_000 + parts.attoseconds / 1_000_000_000_000
        )
    }

    package static func - (left: MonotonicTime, right: MonotonicTime) -> Duration {
        .microseconds(left.microseconds - right.microseconds)
    }
}
