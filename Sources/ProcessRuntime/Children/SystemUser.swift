import CProcessShim
import Glibc

/// An account of the operating system that a child can run as.
package struct SystemUser: Sendable, Equatable {
    package var name: String
    package var uid: UInt32
    package var gid: UInt32
    /// All groups, the primary one included.
    package var groups: [UInt32]

    package init(name: String, uid: UInt32, gid: UInt32, groups: [UInt32]) {
        self.name = name
        self.uid = uid
        self.gid = gid
        self.groups = groups
    }

    /// Looks an account up by name; nil when there is none.
    package init?(named name: String) {
        guard let entry = unsafe getpwnam(name) else { return nil }
        let (uid, gid) = unsafe (entry.pointee.pw_uid, entry.pointee.pw_gid)
        var count: Int32 = 64
        var groups = [gid_t](repeating: 0, count: Int(count))
        let result = unsafe groups.withUnsafeMutableBufferPointer {
            unsafe getgrouplist(name, gid, $0.baseAddress, &count)
        }
        self.init(name: name, uid: uid, gid: gid, groups: result < 0 ? [gid] : Array(groups.prefix(Int(count))))
    }

    /// Whether this process may become other users.
    package static var isRoot: Bool { geteuid() == 0 }

    /// The name of the account this process runs as; its number when it has no name.
    package static var currentName: String {
        guard let entry = unsafe getpwuid(geteuid()) else { return String(geteuid()) }
        return unsafe String(cString: entry.pointee.pw_name)
    }

    /// Whether this user could open a directory, tried out in a process of that user.
    ///
    /// Needs root.
    package func canReach(directory: String) -> Bool {
        unsafe groups.withUnsafeBufferPointer {
            unsafe aig_user_can_reach(directory, uid, gid, $0.baseAddress, $0.count) == 1
        }
    }
}
