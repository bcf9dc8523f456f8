import GatewayCore

/// What the commands about one gateway's answers have in common, in the form in which it is sent.
@WorkerLoop
final class GatewayOperands {
    private let account: AccountID
    private let gateway: GatewayID
    private let epoch: UInt64
    let key: PreparedKey
    /// Those of the last question.
    private var limits: PreparedLimits?

    init(_ account: AccountID, _ gateway: GatewayID, epoch: UInt64) {
        self.account = account
        self.gateway = gateway
        self.epoch = epoch
        key = PreparedKey(account, gateway, epoch: epoch)
    }

    func fits(_ account: AccountID, _ gateway: GatewayID, epoch: UInt64) -> Bool {
        self.epoch == epoch && self.gateway.rawValue == gateway.rawValue && self.account.rawValue == account.rawValue
    }

    func limits(_ rules: [RateRule], leaseLife: String) -> PreparedLimits {
        if let limits, limits.fits(rules) { return limits }
        let limits = PreparedLimits(rules, account, gateway, leaseLife: leaseLife)
        self.limits = limits
        return limits
    }
}

/// The operands of the gateways that were asked about last.
@WorkerLoop
struct RecentOperands {
    /// Gateways that are remembered: a worker may serve any number, most requests are for a few.
    private static let limit = 16

    private var operands: [GatewayOperands] = []
    private var next = 0

    mutating func of(_ account: AccountID, _ gateway: GatewayID, epoch: UInt64) -> GatewayOperands {
        for known in operands where known.fits(account, gateway, epoch: epoch) { return known }
        let new = GatewayOperands(account, gateway, epoch: epoch)
        if operands.count < Self.limit {
            operands.append(new)
        } else {
            operands[next] = new
            next = (next + 1) % Self.limit
        }
        return new
    }
}
