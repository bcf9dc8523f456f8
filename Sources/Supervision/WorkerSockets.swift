import Glibc
import ProcessRuntime

/// Both ends of a worker's hand-over socket, kept for as long as its seat exists.
///
/// A worker that is started again finds the connections that waited for its predecessor, and a new front can be given
/// the same end as the old one, so connections under way are lost with neither.
struct WorkerSockets: Sendable {
    let front: OwnedDescriptor
    let worker: OwnedDescriptor

    init() throws(SystemError) { (front, worker) = try SocketPair.make() }

    /// Sends what no worker will take any more back to the front.
    ///
    /// What does not fit is closed.
    func returnLeftovers() {
        let socket = HandoverSocket(descriptor: worker.number)
        var connections: [Int32] = []
        while case .connection(let connection) = socket.poll() { connections.append(connection) }
        for connection in connections {
            _ = socket.send(connection)
            close(connection)
        }
    }
}
