/// Numbered 64-bit cells that one process writes and others read; `Telemetry` says what each means.
package protocol MetricCells: Sendable {
    /// How many cells there are.
    static var count: Int { get }
    /// Adds to a counter; an index out of range is ignored.
    func add(_ index: Int, _ amount: UInt64)
    /// Sets a gauge; an index out of range is ignored.
    func set(_ index: Int, _ value: UInt64)
    /// The value of a cell; 0 out of range.
    func value(_ index: Int) -> UInt64
}
