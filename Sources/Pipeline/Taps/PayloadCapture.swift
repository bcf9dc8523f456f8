import GatewayCore
import NIOCore

/// Keeps the leading part of a body for the log, within the request's and the worker's allowance.
@WorkerLoop
struct PayloadCapture {
    private(set) var bytes = ByteBuffer()
    /// Whether `bytes` is the whole body so far.
    private(set) var isComplete = true
    private let environment: WorkerEnvironment
    private let isWanted: Bool

    init(wanted isWanted: Bool, environment: WorkerEnvironment) {
        self.isWanted = isWanted
        self.environment = environment
    }

    /// Appends a copy of `payload` as far as `allowance`, the bytes left for this request, goes.
    mutating func append(_ payload: UnsafeRawBufferPointer, allowance: inout Int) {
        guard isWanted, payload.count > 0 else { return }
        guard isComplete else { return }
        let room = min(allowance, environment.limits.loggedPayloadTotal - environment.loggedPayloadHeld)
        let count = min(payload.count, max(room, 0))
        if count < payload.count { isComplete = false }
        guard count > 0 else { return }
        bytes.writeBytes(UnsafeRawBufferPointer(rebasing: payload[..<count]))
        allowance -= count
        environment.loggedPayloadHeld += count
    }

    /// Keeps a first piece as it is, without a copy, if all of it fits.
    mutating func keep(_ piece: ByteBuffer, allowance: inout Int) {
        let count = piece.readableBytes
        let room = min(allowance, environment.limits.loggedPayloadTotal - environment.loggedPayloadHeld)
        guard isWanted, bytes.readableBytes == 0, count <= room else {
            return piece.withUnsafeReadableBytes { append($0, allowance: &allowance) }
        }
        bytes = piece
        allowance -= count
        environment.loggedPayloadHeld += count
    }

    /// What the log gets; nil when payloads are not wanted.
    ///
    /// Gives the held bytes back to the worker's allowance.
    mutating func take() -> ByteBuffer? {
        environment.loggedPayloadHeld -= bytes.readableBytes
        let taken = bytes
        bytes = ByteBuffer()
        return isWanted ? taken : nil
    }
}
