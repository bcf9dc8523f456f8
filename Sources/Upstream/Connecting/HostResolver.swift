package import GatewayCore
import Glibc
package import NIOCore
import NIOPosix

/// A name that could not be turned into addresses.
package struct ResolutionFailure: Error, Sendable {
    /// For the process log.
    package var reason: String
    package init(reason: String) { self.reason = reason }
}

package typealias Resolution = Result<[SocketAddress], ResolutionFailure>

/// Turns host names into addresses without blocking the loop.
///
/// Addresses in any textual form (`127.1`, `0x7f000001` and `[::1]` included) are answered at once. Names are looked up
/// by the system's resolver on a few threads; equal lookups share one call, and answers are remembered for a while.
/// - Limits: 1024 remembered names; 256 lookups under way, further ones fail.
@WorkerLoop
package final class HostResolver {
    /// Looks a name up, on a thread that may block.
    package typealias Lookup = @Sendable (_ host: String) -> Resolution

    private struct Remembered {
        let addresses: [SocketAddress]
        let until: NIODeadline
    }

    private let loop: any EventLoop
    private let lifetime: TimeAmount
    private let lookUp: Lookup
    private var threads: NIOThreadPool?
    private var remembered: [String: Remembered] = [:]
    private var waiting: [String: [@WorkerLoop (Resolution) -> Void]] = [:]
    private static let rememberedLimit = 1024
    private static let waitingLimit = 256

    package init(
        loop: any EventLoop, lifetime: Duration,
        lookUp: @escaping Lookup = { SystemLookup.addresses(of: $0, allowing: .names) }
    ) {
        self.loop = loop
        self.lifetime = TimeAmount(lifetime)
        self.lookUp = lookUp
    }

    /// Calls `then` with the addresses of `host` (port 0), at once or later.
    package func resolve(_ host: String, then: @escaping @WorkerLoop (Resolution) -> Void) {
        if let known = remembered[host] {
            if known.until > .now() { return then(.success(known.addresses)) }
            remembered[host] = nil
        }
        if case .success(let addresses) = SystemLookup.addresses(of: host, allowing: .addressesOnly) {
            return then(.success(addresses))
        }
        if waiting[host] != nil {
            waiting[host]?.append(then)
            return
        }
        guard waiting.count < Self.waitingLimit else {
            return then(.failure(ResolutionFailure(reason: "too many name lookups are under way")))
        }
        waiting[host] = [then]
        startedThreads().submit { [loop, lookUp] state in
            let resolution: Resolution =
                state == .active ? lookUp(host) : .failure(ResolutionFailure(reason: "the resolver is shut down"))
            loop.execute { WorkerLoop.onLoop { self.finish(host, resolution) } }
        }
    }

    /// Ends the threads; lookups under way still answer.
    package func shutDown() {
        threads?.shutdownGracefully { _ in }
        threads = nil
    }

    private func finish(_ host: String, _ resolution: Resolution) {
        if case .success(let addresses) = resolution {
            if remembered.count >= Self.rememberedLimit { forgetSome() }
            remembered[host] = Remembered(addresses: addresses, until: .now() + lifetime)
        }
        for action in waiting.removeValue(forKey: host) ?? [] { action(resolution) }
    }

    /// Makes room: what is out of date, or else everything; both are cheap to learn again.
    private func forgetSome() {
        let now = NIODeadline.now()
        remembered = remembered.filter { $0.value.until > now }
        if remembered.count >= Self.rememberedLimit { remembered.removeAll(keepingCapacity: true) }
    }

    private func startedThreads() -> NIOThreadPool {
        if let threads { return threads }
        let threads = NIOThreadPool(numberOfThreads: 4)
        threads.start()
        self.threads = threads
        return threads
    }
}

/// The system's `getaddrinfo`.
package enum SystemLookup {
    package enum Scope: Sendable {
        /// Textual addresses only; never blocks.
        case addressesOnly
        /// Names as well; may block for seconds.
        case names
    }

    package static func addresses(of host: String, allowing scope: Scope) -> Resolution {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_protocol = Int32(IPPROTO_TCP)
        switch scope {
        case .addressesOnly: hints.ai_flags = AI_NUMERICHOST
        case .names: hints.ai_flags = AI_ADDRCONFIG
        }
        var list: UnsafeMutablePointer<addrinfo>?
        let status = getaddrinfo(host, nil, &hints, &list)
        guard status == 0, let list else {
            return .failure(ResolutionFailure(reason: String(cString: gai_strerror(status))))
        }
        defer { freeaddrinfo(list) }
        var addresses: [SocketAddress] = []
        var next: UnsafeMutablePointer<addrinfo>? = list
        while let entry = next {
            if let raw = entry.pointee.ai_addr {
                switch entry.pointee.ai_family {
                case AF_INET:
                    addresses.append(
                        SocketAddress(UnsafeRawPointer(raw).loadUnaligned(as: sockaddr_in.self), host: host)
                    )
                case AF_INET6:
                    addresses.append(
                        SocketAddress(UnsafeRawPointer(raw).loadUnaligned(as: sockaddr_in6.self), host: host)
                    )
                default: break
                }
            }
            next = entry.pointee.ai_next
        }
        guard !addresses.isEmpty else { return .failure(ResolutionFailure(reason: "the name has no address")) }
        return .success(addresses)
    }
}
