package import GatewayCore
package import NIOCore

/// The `Connection` field of an answer.
package enum ConnectionNote: Sendable {
    /// HTTP/1.1 and the connection goes on: nothing to say.
    case none
    case close
    /// HTTP/1.0 and the connection goes on.
    case keepAlive
}

/// The client's side of an exchange, as the pipeline sees it.
@WorkerLoop
package protocol Downstream: AnyObject {
    var version: HTTPVersion { get }
    /// What the answer has to say about the connection after it.
    var connectionNote: ConnectionNote { get }
    /// False while the client reads slower than the provider sends.
    var isWritable: Bool { get }

    /// Sets what happens whenever `isWritable` turns true.
    func onWritable(_ action: (@WorkerLoop () -> Void)?)
    /// Tells a client that waits for it to send the body (RFC 9110 §10.1.1); nothing for others.
    func askForBody()
    /// Gives the answer's head; sent with the first body bytes or at the end of the turn.
    /// - Parameter note: what the head says about the connection, which the connection then keeps to.
    func begin(_ head: ByteBuffer, _ note: ConnectionNote)
    /// Sends body bytes. Those with `isLast` leave at the end of the turn, after the turn's records are on disk.
    func send(_ bytes: ByteBuffer, isLast: Bool)
    /// Cuts the connection so that the client sees an incomplete answer.
    func abort()
}
