import Glibc
package import Logging

/// The process log: lines on stderr, each with one `write(2)`, so that processes sharing it do not mix their lines.
package struct StandardErrorLog: LogHandler {
    package var logLevel: Logger.Level
    package var metadata: Logger.Metadata = [:]
    private let format: LogFormat
    private let process: String
    private let descriptor: Int32

    /// - Parameters:
    ///   - process: who writes, as shown in each line: `worker 1`.
    ///   - descriptor: where lines go; stderr unless told otherwise.
    package init(level: Logger.Level, format: LogFormat, process: String, descriptor: Int32 = STDERR_FILENO) {
        logLevel = level
        self.format = format
        self.process = process
        self.descriptor = descriptor
    }

    /// Makes every logger of this process write here.
    ///
    /// Call it once, before the first logger is made.
    ///
    /// - Parameters:
    /// - level: a swift-log level name; anything else is `info`.
    /// - format: `text` or `json`; anything else is `json`.
    package static func install(level: String, format: String, process: String) {
        let handler = StandardErrorLog(
            level: Logger.Level(rawValue: level) ?? .info, format: LogFormat(rawValue: format) ?? .json,
            process: process
        )
        LoggingSystem.bootstrap { _ in handler }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var facts = metadata
        if let own = event.metadata { facts.merge(own) { _, new in new } }
        if let error = event.error { facts[AIGKey.reason.rawValue] = "\(error)" }
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        let line = LogLine(
            format, time: Int64(now.tv_sec) * 1_000_000 + Int64(now.tv_nsec) / 1000, process: process,
            level: event.level, message: event.message.description, metadata: facts
        )
        line.bytes.withUnsafeBytes { bytes in
            var written = 0
            while written < bytes.count {
                let count = write(descriptor, bytes.baseAddress?.advanced(by: written), bytes.count - written)
                if count < 0, errno == EINTR { continue }
                // Nobody can be told that the log cannot be written.
                if count <= 0 { return }
                written += count
            }
        }
    }
}
