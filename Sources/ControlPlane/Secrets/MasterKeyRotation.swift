package import GatewayCore
package import PostgresStore
package import SecretVault

/// Puts the data key of every stored secret under the present master key.
package struct MasterKeyRotation: Sendable {
    /// What a rotation did.
    package struct Report: Sendable, Equatable {
        package var secrets: Int
        package var rewrapped: Int
        /// Sealed under a key that is not here, or damaged; left as they are.
        package var unreadable: [SecretID]

        package init(secrets: Int, rewrapped: Int, unreadable: [SecretID]) {
            self.secrets = secrets
            self.rewrapped = rewrapped
            self.unreadable = unreadable
        }
    }

    private let secrets: SecretRepository

    package init(_ pool: PostgresPool) { secrets = SecretRepository(pool) }

    /// Fails unless the database is there.
    package func probe() async throws(ControlError) { _ = try await storing { try await secrets.all(of: nil).count } }

    /// Wraps everything anew in one transaction: all or nothing.
    ///
    /// - Parameter masterKey: the key to be, beside those that wrapped what is stored.
    package func run(_ masterKey: MasterKey) async throws(ControlError) -> Report {
        let vault = Vault(masterKey: masterKey)
        return try await storing {
            var unreadable: [SecretID] = []
            let written = try await secrets.rewrap { id, account, envelope in
                do throws(VaultError) {
                    return try vault.rewrap(envelope, account: account, secretID: id)
                } catch .otherMasterKey, .notAuthentic, .unknownEnvelope {
                    unreadable.append(id)
                    return nil
                }
            }
            return Report(secrets: written.value.all, rewrapped: written.value.changed, unreadable: unreadable)
        }
    }
}
