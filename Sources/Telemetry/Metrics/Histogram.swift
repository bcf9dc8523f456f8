import GatewayCore

/// A block of cells that counts durations by size: one cell per bucket, then the sum in microseconds.
struct Histogram {
    /// Upper bounds in microseconds; a last bucket takes the rest.
    static let bounds: [Int64] = [
        1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000,
        10_000_000, 30_000_000, 60_000_000, 120_000_000, 300_000_000,
    ]
    /// Cells of one histogram.
    static let cells = bounds.count + 2

    let first: Int

    func record(_ duration: Duration, in cells: any MetricCells) {
        let microseconds = max(duration.wholeMicroseconds, 0)
        var place = 0
        while place < Self.bounds.count, microseconds > Self.bounds[place] { place += 1 }
        cells.add(first + place, 1)
        cells.add(first + Self.bounds.count + 1, UInt64(microseconds))
    }
}
