import GatewayCore
import NIOCore

/// Frames a request's payload as its head announced, and never more or less than that.
struct BodyFramer {
    /// Why a payload cannot be sent as announced.
    enum Mismatch: Error, Equatable { case tooLong, tooShort }

    private enum State: Equatable {
        /// Bytes that are still to come.
        case length(Int)
        case chunked
        case done
    }

    private var state: State

    init(_ framing: BodyFraming) {
        switch framing {
        case .length(let count) where count > 0: state = .length(count)
        case .chunked: state = .chunked
        // A request body never ends with the connection; what announces none has none.
        case .length, .none, .untilClose: state = .done
        }
    }

    /// Whether everything that was announced has been framed.
    var isDone: Bool { state == .done }

    /// Frames payload; calls `emit` with what is to be written, in order.
    mutating func frame(_ payload: ByteBuffer, emit: (ByteBuffer) -> Void) throws(Mismatch) {
        guard payload.readableBytes > 0 else { return }
        switch state {
        case .length(let rest):
            guard payload.readableBytes <= rest else { throw .tooLong }
            state = payload.readableBytes == rest ? .done : .length(rest - payload.readableBytes)
            emit(payload)
        case .chunked:
            emit(ByteBuffer(string: String(payload.readableBytes, radix: 16) + "\r\n"))
            emit(payload)
            emit(ByteBuffer(string: "\r\n"))
        case .done:
            throw .tooLong
        }
    }

    /// Ends the payload.
    mutating func finish(emit: (ByteBuffer) -> Void) throws(Mismatch) {
        switch state {
        case .length: throw .tooShort
        case .chunked:
            state = .done
            emit(ByteBuffer(string: "0\r\n\r\n"))
        case .done: break
        }
    }
}
