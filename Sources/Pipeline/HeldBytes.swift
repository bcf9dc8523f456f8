import GatewayCore

/// A bound on the bytes that many parties hold together.
@WorkerLoop
final class HeldBytes {
    let limit: Int
    private(set) var held = 0

    init(limit: Int) { self.limit = limit }

    /// Whether there was room for `count` more bytes, which are then held.
    func take(_ count: Int) -> Bool {
        guard count <= limit - held else { return false }
        held += count
        return true
    }

    func giveBack(_ count: Int) { held -= count }
}
