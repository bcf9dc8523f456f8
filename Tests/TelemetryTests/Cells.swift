import GatewayCore
import Logging
import Synchronization

/// The counters of one worker, in ordinary memory.
final class Cells: MetricCells {
    static let count = 512
    private let values = Mutex([UInt64](repeating: 0, count: Cells.count))

    func add(_ index: Int, _ amount: UInt64) { values.withLock { $0[index] += amount } }
    func set(_ index: Int, _ value: UInt64) { values.withLock { $0[index] = value } }
    func value(_ index: Int) -> UInt64 { values.withLock { $0[index] } }
}

/// Keeps what was logged.
final class KeptLines: LogHandler {
    struct Line: Equatable, Sendable {
        var level: Logger.Level
        var message: String
        var metadata: Logger.Metadata
    }

    private let kept = Mutex<[Line]>([])
    // Set by swift-log's value semantics only; a test's handler is never changed.
    let metadataStorage: Logger.Metadata = [:]
    let level: Logger.Level

    init(level: Logger.Level = .info) { self.level = level }

    var logLevel: Logger.Level {
        get { level }
        set {}
    }
    var metadata: Logger.Metadata {
        get { metadataStorage }
        set {}
    }
    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { nil }
        set {}
    }
    func log(event: LogEvent) {
        kept.withLock {
            $0.append(Line(level: event.level, message: event.message.description, metadata: event.metadata ?? [:]))
        }
    }
    var lines: [Line] { kept.withLock { $0 } }
}
