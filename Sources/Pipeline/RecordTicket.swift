import GatewayCore

/// The duty to account for one executed step: it must be settled or waived, and the compiler lets it happen once.
struct RecordTicket: ~Copyable {
    let id: LogID

    init(_ id: LogID) { self.id = id }

    /// Hands the step's record to the sink; parameters as `RecordSink.append`.
    @WorkerLoop
    consuming func settle(into sink: any RecordSink, estimate: Int, _ body: (inout RecordEncoder) -> Void) {
        sink.append(estimate: estimate, body)
        discard self
    }

    /// No step was executed.
    consuming func waive() { discard self }

    deinit { assertionFailure("a request ended without settling record \(id)") }
}
