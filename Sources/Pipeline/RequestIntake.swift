import GatewayCore
import NIOCore
import WireFormats

/// The client's side of a request's body: bounds what comes in, and keeps what the record says of it.
///
/// A value inside its exchange. It calls nobody while it changes; bytes are handed on by the exchange afterwards.
@WorkerLoop
struct RequestIntake {
    /// The bytes on their way to the provider.
    let body = RequestBody()
    /// Why no more of the body is taken.
    private(set) var refusal: GatewayError?
    /// Bytes that the log may still take of this request and its answer.
    private(set) var allowance: Int
    /// What a body that comes in pieces says.
    private var facts: Facts?
    /// The body, when it came in one piece: then it is scanned once, at the end.
    private var piece: ByteBuffer?
    private var capture: PayloadCapture
    /// Bytes of the worker's memory for whole bodies that this one takes.
    private var wholeHeld = 0
    /// The same of the body that was written for the provider of the present call.
    private var writtenHeld = 0
    private var waiter: (@WorkerLoop () -> Void)?

    /// Members of a request body that are worth a name: `factModel`.
    private nonisolated static let wantedFacts: [StaticString] = ["model"]
    private nonisolated static let factModel = 0

    init(_ head: RequestHead, environment: WorkerEnvironment) {
        allowance = environment.limits.loggedPayload
        capture = PayloadCapture(wanted: head.framing != .none, environment: environment)
        if head.framing == .none || head.framing == .length(0) { body.finish() }
    }

    /// Takes note of bytes that are going to be appended to the body; false when they must not be, for which `refusal`
    /// then has the reason, unless the body had ended before.
    mutating func admit(_ payload: ByteBuffer, of framing: BodyFraming, _ environment: WorkerEnvironment) -> Bool {
        guard refusal == nil, body.state == .open else { return false }
        guard body.received + payload.readableBytes <= environment.limits.requestBody else {
            refusal = GatewayError(.bodyTooLarge, origin: .client)
            return false
        }
        if body.waitsForWhole {
            guard environment.wholeBodies.take(payload.readableBytes) else {
                refusal = GatewayError(
                    .notReady, origin: .gateway, detail: "memory for whole request bodies is used up"
                )
                return false
            }
            wholeHeld += payload.readableBytes
        }
        if body.received == 0, framing == .length(payload.readableBytes) {
            piece = payload
            capture.keep(payload, allowance: &allowance)
        } else {
            payload.withUnsafeReadableBytes { bytes in
                if facts == nil { facts = Facts(bytes) }
                facts?.feed(bytes)
                capture.append(bytes, allowance: &allowance)
            }
        }
        return true
    }

    /// Remembers who waits for the end of the body.
    mutating func wait(_ waiter: @escaping @WorkerLoop () -> Void) { self.waiter = waiter }

    /// Whoever waits for the end of the body, to be called now that it is here.
    mutating func takeWaiter() -> (@WorkerLoop () -> Void)? {
        defer { waiter = nil }
        return waiter
    }

    /// The complete body, once its end is here.
    func whole() throws(GatewayError) -> ByteBuffer {
        if let refusal { throw refusal }
        guard body.state == .complete else {
            throw GatewayError(.malformedRequest, origin: .client, detail: "the request body broke off")
        }
        return body.whole() ?? ByteBuffer()
    }

    /// Counts a body that was written anew, which takes the place of one written before.
    mutating func hold(written bytes: Int, _ environment: WorkerEnvironment) throws(GatewayError) {
        environment.wholeBodies.giveBack(writtenHeld)
        writtenHeld = 0
        guard environment.wholeBodies.take(bytes) else {
            throw GatewayError(.notReady, origin: .gateway, detail: "memory for written request bodies is used up")
        }
        writtenHeld = bytes
    }

    /// Lets go of the client's body when everything was made of it that is needed.
    mutating func dropBody(_ environment: WorkerEnvironment) {
        body.drop()
        environment.wholeBodies.giveBack(wholeHeld)
        wholeHeld = 0
    }

    /// Gives the memory for whole bodies back to the worker's allowance.
    mutating func release(_ environment: WorkerEnvironment) {
        environment.wholeBodies.giveBack(wholeHeld + writtenHeld)
        wholeHeld = 0
        writtenHeld = 0
    }

    // MARK: For the record

    /// Whether the captured bytes are the whole body.
    var isCaptureWhole: Bool { capture.isComplete && body.state == .complete }

    /// What the log gets of the body; gives the memory for it back to the worker's allowance.
    mutating func takeCapture() -> ByteBuffer? { capture.take() }

    /// The `model` of the body: a member of a JSON object, or a field of a form with files.
    var model: String? {
        if let piece { return Self.model(of: piece) }
        return facts?.model
    }

    /// The `model` of a body that is here as a whole.
    static func model(of body: ByteBuffer) -> String? {
        body.withUnsafeReadableBytes { raw in
            if FormCapture.mayBegin(raw) {
                var form = FormCapture(field: "model")
                form.feed(raw)
                return form.value
            }
            guard let range = JSONScan.topLevel(raw, wanted: wantedFacts)?[factModel] else { return nil }
            return JSONView(UnsafeRawBufferPointer(rebasing: raw[range])).string
        }
    }

    /// What is looked for in a body while it comes.
    private enum Facts {
        case object(JSONCapture)
        case form(FormCapture)

        /// - Parameter start: the body's first bytes.
        init(_ start: UnsafeRawBufferPointer) {
            self =
                FormCapture.mayBegin(start)
                ? .form(FormCapture(field: "model")) : .object(JSONCapture(wanted: wantedFacts))
        }

        mutating func feed(_ bytes: UnsafeRawBufferPointer) {
            // Moved out, so that feeding it does not copy what it holds.
            switch consume self {
            case .object(var capture):
                capture.feed(bytes)
                self = .object(capture)
            case .form(var capture):
                capture.feed(bytes)
                self = .form(capture)
            }
        }

        var model: String? {
            switch self {
            case .object(let capture):
                capture.value(factModel).flatMap { raw in raw.withUnsafeReadableBytes { JSONView($0).string } }
            case .form(let capture): capture.value
            }
        }
    }
}
