import CProcessShim
import Glibc

/// Everything about a child that has to be known to start it.
package struct ChildImage: Sendable {
    /// Whether the child may search directories its user has no right to.
    package enum DirectorySearch: Sendable { case ordinary, everywhere }

    /// Absolute path of the executable.
    package var path: String
    /// `argv`, the first being the name it is shown under.
    package var arguments: [String]
    /// The whole environment; nothing is inherited.
    package var environment: [String: String]
    /// Working directory; nil: the parent's.
    package var directory: String?
    /// Number in the child → descriptor of this process.
    ///
    /// 0, 1, 2 are kept when not named; everything else is closed.
    package var descriptors: [Int32: OwnedDescriptor]
    /// Sent by the kernel when the parent dies; nil: none.
    package var deathSignal: Int32?
    /// The user to become; needs root.
    package var user: SystemUser?
    package var directorySearch: DirectorySearch

    package init(path: String, arguments: [String], environment: [String: String]) {
        self.path = path
        self.arguments = arguments
        self.environment = environment
        descriptors = [:]
        directorySearch = .ordinary
    }

    /// What children may know of this process' environment: where to find programs, certificates and time zones.
    package static func minimalEnvironment() -> [String: String] {
        var kept: [String: String] = [:]
        for name in ["PATH", "HOME", "LANG", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH"] {
            if let value = unsafe getenv(name) { kept[name] = unsafe String(cString: value) }
        }
        return kept
    }

    /// Starts the child and answers its process id.
    ///
    /// An executable that cannot be executed is an error here, not an exit.
    ///
    /// The death signal follows the calling thread, not the process.
    package func start() throws(SystemError) -> Int32 {
        let pairs = descriptors.map { aig_descriptor(source: $0.value.number, target: $0.key) }
        let groups = user?.groups ?? []
        let result = unsafe CStrings(arguments).withPointers { arguments in
            unsafe CStrings(environment.map { "\($0.key)=\($0.value)" }).withPointers { environment in
                unsafe path.withCString { path in
                    unsafe pairs.withUnsafeBufferPointer { pairs in
                        unsafe groups.withUnsafeBufferPointer { groups in
                            unsafe CStrings([directory].compactMap { $0 }).withPointers { directories in
                                var child = unsafe aig_child()
                                unsafe child.path = path
                                unsafe child.arguments = arguments
                                unsafe child.environment = environment
                                unsafe child.directory = directories[0].map { unsafe UnsafePointer($0) }
                                unsafe child.descriptors = pairs.baseAddress
                                unsafe child.descriptor_count = pairs.count
                                unsafe child.death_signal = deathSignal ?? 0
                                if let user {
                                    unsafe child.changes_user = 1
                                    unsafe child.uid = user.uid
                                    unsafe child.gid = user.gid
                                    unsafe child.groups = groups.baseAddress
                                    unsafe child.group_count = groups.count
                                    unsafe child.keeps_directory_search = directorySearch == .everywhere ? 1 : 0
                                }
                                return unsafe aig_spawn(&child)
                            }
                        }
                    }
                }
            }
        }
        withExtendedLifetime(descriptors) {}
        return try SystemError.check(result, "start \(path)")
    }
}

/// C strings that live as long as this value.
@safe private final class CStrings {
    private var pointers: [UnsafeMutablePointer<CChar>?]

    init(_ strings: [String]) {
        unsafe pointers = strings.map { unsafe strdup($0) } + [nil]
    }

    deinit {
        unsafe pointers.forEach { unsafe free($0) }
    }

    func withPointers<T>(_ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> T) -> T {
        defer { withExtendedLifetime(self) {} }
        return unsafe pointers.withUnsafeBufferPointer { buffer in
            guard let base = buffer.baseAddress else { preconditionFailure("the list ends in NULL, it is not empty") }
            return unsafe body(base)
        }
    }
}
