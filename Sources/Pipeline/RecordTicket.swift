import GatewayCore

/// The duty to account for one executed step: it must be settled or waived, and the compiler lets it happen once.
struct RecordTicket: ~Copyable {
    let id: LogID

    init(_ id: LogID) { self.id = id }

    /// Hands the step's record to the sink.
    @WorkerLoop
    consuming func settle(_ record: RequestRecord, into sink: any RecordSink) {
        sink.append(record)
        discard self
    }

    /// The request asked for no log entry, or no step was executed.
    consuming func waive() { discard self }

    deinit { assertionFailure("a request ended without settling record \(id)") }
}
