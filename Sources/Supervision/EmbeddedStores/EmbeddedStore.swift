import ProcessRuntime

/// A store that runs as a child of the supervisor.
protocol EmbeddedStore: Sendable {
    /// As the settings of the children spell it.
    var address: String { get }
    /// Where its output goes; the end of it explains a failed start.
    var logPath: String { get }

    /// Clears away what an earlier process left, waits for one that is still ending, and answers how to start.
    func image() throws(SupervisorError) -> ChildImage

    /// Whether it accepts commands now. Blocks for a second at most.
    func acceptsConnections() -> Bool
}
