/// How a log line is written.
package enum LogFormat: String, Sendable, CaseIterable {
    /// For people at a terminal.
    case text
    /// One JSON object per line.
    case json
}
