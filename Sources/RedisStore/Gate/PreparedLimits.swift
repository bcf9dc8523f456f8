import GatewayCore
import NIOCore

/// The limits of a question as they are sent, remembered because a gateway's requests all have the same.
@WorkerLoop
final class PreparedLimits {
    let rules: [RateRule]
    /// The rules' counters: the last keys of a question.
    let keys: ByteBuffer
    /// The life of a lease and what there is to know of the rules: the last arguments of a question.
    let arguments: ByteBuffer

    /// - Parameter leaseLife: in milliseconds.
    init(_ rules: [RateRule], _ account: AccountID, _ gateway: GatewayID, leaseLife: String) {
        self.rules = rules
        let names = Keys(account, gateway)
        var keys = ByteBuffer()
        var arguments = ByteBuffer()
        arguments.compose(capacity: leaseLife.utf8.count + RawWriter.argumentOverhead) { $0.argument(leaseLife) }
        for rule in rules {
            keys.compose(capacity: names.longest(rule) + RawWriter.argumentOverhead) { names.write(rule, into: &$0) }
            arguments.compose(capacity: rule.technique.rawValue.utf8.count + 40 + 3 * RawWriter.argumentOverhead) {
                $0.argument(rule.technique.rawValue)
                $0.argument(max(rule.limit, 1))
                $0.argument(max(rule.interval, 1) * 1_000_000)
            }
        }
        self.keys = keys
        self.arguments = arguments
    }

    /// Whether these are the same rules in the same order.
    func fits(_ others: [RateRule]) -> Bool {
        guard rules.count == others.count else { return false }
        for index in rules.indices {
            let own = rules[index]
            let other = others[index]
            guard own.limit == other.limit, own.interval == other.interval, own.name == other.name,
                own.technique == other.technique
            else { return false }
        }
        return true
    }
}
