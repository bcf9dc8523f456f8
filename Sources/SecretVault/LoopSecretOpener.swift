package import GatewayCore

/// Opens the secrets that requests need, and remembers what it opened.
///
/// - Limit: `capacity` opened values; the oldest is forgotten first.
@WorkerLoop
package final class LoopSecretOpener: SecretOpener {
    private struct Opened {
        var account: AccountID
        var envelope: [UInt8]
        var value: Secret<[UInt8]>
    }

    private let vault: Vault
    private let capacity: Int
    private var opened: [SecretID: Opened] = [:]
    /// Ids in the order in which they were opened, for forgetting.
    private var order: [SecretID] = []

    package init(vault: Vault, capacity: Int = 1024) {
        self.vault = vault
        self.capacity = max(1, capacity)
    }

    package func open(_ secret: SealedSecret) -> Secret<[UInt8]>? {
        if let known = opened[secret.id], known.account == secret.account, known.envelope == secret.envelope {
            return known.value
        }
        guard let value = try? vault.open(secret) else { return nil }
        if opened[secret.id] == nil {
            if order.count >= capacity { opened[order.removeFirst()] = nil }
            order.append(secret.id)
        }
        opened[secret.id] = Opened(account: secret.account, envelope: secret.envelope, value: value)
        return value
    }

    /// How many opened values are held.
    package var count: Int { opened.count }
}
