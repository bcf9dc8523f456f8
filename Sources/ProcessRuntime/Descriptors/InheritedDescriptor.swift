import Glibc

/// The fixed numbers under which a child finds what the supervisor gave it.
///
/// Spelled here and nowhere else.
package enum InheritedDescriptor {
    /// Orders from, and reports to, the supervisor: front, worker, control.
    package static let supervisorLink: Int32 = 3
    /// Sealed memory file with encoded settings: worker, control.
    package static let settings: Int32 = 4
    /// Shared memory of all workers' counters: front, worker, control.
    package static let scoreboard: Int32 = 5
    /// Connections accepted by the front arrive here, idle ones go back: worker.
    package static let handover: Int32 = 6
    /// Sealed memory file with the 32 bytes of the master key: worker, control.
    package static let masterKey: Int32 = 7
    /// First of the listening sockets: front (data), control (control port).
    package static let firstListener: Int32 = 8

    /// The listening sockets this process was given, in the order of its configured addresses.
    package static func listeners() -> [Int32] {
        var found: [Int32] = []
        var number = firstListener
        while ListeningSocket.isListening(number) {
            found.append(number)
            number += 1
        }
        return found
    }
}
