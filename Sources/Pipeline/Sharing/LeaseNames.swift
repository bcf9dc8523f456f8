import GatewayCore

/// Names for leases: unique in the fleet by their random beginning, in the worker by counting.
///
/// Fifteen characters, eight of them random, so that a name needs no memory of its own: a text of this size is kept
/// within the value. After 4 × 10¹² leases the names of a worker begin again.
struct LeaseNames {
    private static let digits: StaticString = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"

    private let worker: UInt64
    private var count: UInt64 = 0

    init() { worker = UInt64.random(in: .min ... .max) }

    mutating func next() -> LeaseToken {
        count += 1
        return LeaseToken(
            String(unsafeUninitializedCapacity: 15) { text in
                let digits = Self.digits.utf8Start
                for index in 0..<8 { text[index] = digits[Int(worker >> (6 * UInt64(index)) & 63)] }
                for index in 8..<15 { text[index] = digits[Int(count >> (6 * UInt64(index - 8)) & 63)] }
                return 15
            }
        )
    }
}
