import GatewayCore

/// Names for leases: unique in the fleet by their random beginning, in the worker by counting.
struct LeaseNames {
    private let worker: String
    private var count = 0

    init() {
        worker = String(UInt64.random(in: .min ... .max), radix: 36) + "-"
    }

    mutating func next() -> LeaseToken {
        count += 1
        return LeaseToken(worker + String(count, radix: 36))
    }
}
