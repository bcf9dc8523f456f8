package import GatewayCore
import Glibc

/// The machine's clocks.
package struct SystemClock: WallClock {
    package init() {}

    package var now: Instant {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Instant(microseconds: Int64(time.tv_sec) * 1_000_000 + Int64(time.tv_nsec) / 1000)
    }

    package var monotonic: ContinuousClock.Instant { .now }
}
