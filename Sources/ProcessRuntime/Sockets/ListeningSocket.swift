import CProcessShim
import Glibc

/// Sockets that wait for connections.
package enum ListeningSocket {
    /// Connections the kernel keeps for us while nobody accepts (further limited by net.core.somaxconn).
    package static let backlog: Int32 = 4096

    /// Binds an address and listens; one socket per address the host name stands for.
    ///
    /// Non-blocking, close-on-exec.
    ///
    /// A Unix socket file that nobody listens on any more is replaced.
    package static func open(_ address: ListenAddress) throws(SystemError) -> [OwnedDescriptor] {
        switch address {
        case .unix(let path): [try openUnix(path)]
        case .tcp(let host, let port): try openTCP(host: host, port: port, "listen on \(address)")
        }
    }

    private static let type = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)

    private static func openTCP(host: String, port: UInt16, _ call: String) throws(SystemError) -> [OwnedDescriptor] {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        let problem = unsafe getaddrinfo(host.isEmpty ? nil : host, String(port), &hints, &list)
        guard problem == 0 else {
            let text = unsafe gai_strerror(problem).map { unsafe String(cString: $0) } ?? "?"
            throw SystemError("\(call) (\(text))", code: problem == EAI_SYSTEM ? errno : EADDRNOTAVAIL)
        }
        defer { unsafe freeaddrinfo(list) }
        var sockets: [OwnedDescriptor] = []
        var last = SystemError(call, code: EADDRNOTAVAIL)
        var next = unsafe list
        while let entry = unsafe next {
            let (family, address, length) = unsafe (
                entry.pointee.ai_family, entry.pointee.ai_addr, entry.pointee.ai_addrlen
            )
            unsafe next = entry.pointee.ai_next
            let number = socket(family, type, 0)
            guard number >= 0 else {
                last = SystemError(call, code: errno)
                continue
            }
            let owned = OwnedDescriptor(number)
            setOption(number, SOL_SOCKET, SO_REUSEADDR)
            if family == AF_INET6 { setOption(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY) }
            guard unsafe bind(number, address, length) == 0, listen(number, backlog) == 0 else {
                last = SystemError(call, code: errno)
                // A wildcard or a name may stand for a family this machine does not have; a port in use is final.
                if last.code == EADDRINUSE || last.code == EACCES { throw last }
                continue
            }
            sockets.append(owned)
        }
        if sockets.isEmpty { throw last }
        return sockets
    }

    private static func openUnix(_ path: String) throws(SystemError) -> OwnedDescriptor {
        let call = "listen on unix:\(path)"
        var address = sockaddr_un()
        guard address.setPath(path) else { throw SystemError(call, code: ENAMETOOLONG) }
        if isAnswered(&address) { throw SystemError(call, code: EADDRINUSE) }
        var facts = stat()
        if unsafe lstat(path, &facts) == 0, facts.st_mode & S_IFMT == S_IFSOCK { unsafe unlink(path) }
        let number = socket(AF_UNIX, type, 0)
        guard number >= 0 else { throw SystemError(call, code: errno) }
        let owned = OwnedDescriptor(number)
        let bound = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, listen(number, backlog) == 0 else { throw SystemError(call, code: errno) }
        return owned
    }

    private static func isAnswered(_ address: inout sockaddr_un) -> Bool {
        let number = socket(AF_UNIX, type, 0)
        guard number >= 0 else { return false }
        defer { close(number) }
        return unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }

    /// Connects to a Unix socket, blocking; nil when nobody listens there.
    package static func connect(unixPath path: String) -> OwnedDescriptor? {
        var address = sockaddr_un()
        guard address.setPath(path) else { return nil }
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return nil }
        let owned = OwnedDescriptor(number)
        let result = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.connect(number, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        return result == 0 ? owned : nil
    }

    private static func setOption(_ number: Int32, _ level: Int32, _ option: Int32) {
        var on: Int32 = 1
        unsafe setsockopt(number, level, option, &on, socklen_t(MemoryLayout<Int32>.size))
    }

    /// What came of trying to take a connection.
    package enum Accepted: Sendable, Equatable {
        /// Non-blocking, close-on-exec; the caller owns it.
        case connection(Int32)
        case nothing
        /// This process or the machine has no descriptor or memory left: wait before trying again.
        case exhausted
        /// The socket does not listen (any more).
        case closed
    }

    /// Takes one waiting connection.
    package static func accept(_ listener: Int32) -> Accepted {
        while true {
            let result = aig_accept(listener)
            switch result {
            case 0...: return .connection(result)
            case -EAGAIN, -EWOULDBLOCK: return .nothing
            case -EMFILE, -ENFILE, -ENOBUFS, -ENOMEM: return .exhausted
            case -EBADF, -EINVAL, -ENOTSOCK: return .closed
            default: continue  // The connection failed before it was accepted; the next one may be fine.
            }
        }
    }

    /// Whether a descriptor is a listening socket.
    package static func isListening(_ descriptor: Int32) -> Bool {
        var listens: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        return unsafe getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0
    }

    /// The TCP port a socket is bound to; nil for other sockets.
    package static func port(_ descriptor: Int32) -> UInt16? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let found = unsafe withUnsafeMutablePointer(to: &storage) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe getsockname(descriptor, $0, &length) }
        }
        guard found == 0, storage.ss_family == AF_INET || storage.ss_family == AF_INET6 else { return nil }
        // sin_port and sin6_port lie at the same place.
        return unsafe withUnsafeBytes(of: &storage) { unsafe UInt16($0[2]) << 8 | UInt16($0[3]) }
    }
}

extension sockaddr_un {
    /// Sets family and path; false when the path is too long.
    fileprivate mutating func setPath(_ path: String) -> Bool {
        let bytes = Array(path.utf8)
        sun_family = sa_family_t(AF_UNIX)
        return unsafe withUnsafeMutableBytes(of: &sun_path) { space in
            guard bytes.count < space.count else { return false }
            unsafe space.copyBytes(from: bytes)
            return true
        }
    }
}
