package import GatewayCore

/// Looks values up where references point to.
package struct ExternalSecrets: Sendable {
    private let rules: ReferenceRules
    private let environment: [String: Secret<String>]
    private let vault: VaultClient?
    private let ownFiles: OwnFiles

    /// - Parameters:
    ///   - environment: the daemon's variables; only those that `rules` allow are kept.
    ///   - vault: nil when the operator named no server.
    ///   - ownFiles: what no reference may read, even where `rules` allow it.
    package init(
        rules: ReferenceRules, environment: [String: String], vault: VaultClient?, ownFiles: OwnFiles = OwnFiles()
    ) {
        self.rules = rules
        self.environment = rules.variables(of: environment).mapValues { Secret($0) }
        self.vault = vault
        self.ownFiles = ownFiles
    }

    /// The value as it is now.
    ///
    /// What the operator no longer allows counts as gone, whoever wrote the reference and whenever.
    package func value(of reference: SecretReference) async throws(ExternalSecretError) -> Secret<[UInt8]> {
        guard rules.allow(reference) else { throw .gone("secrets.references does not allow it") }
        switch reference {
        case .environment(let name):
            guard let value = environment[name], !value.reveal().isEmpty else {
                throw .gone("the environment variable is not set")
            }
            return Secret(Array(value.reveal().utf8))
        case .file(let path):
            return try SecretFile.read(path, except: ownFiles)
        case .vault(let mount, let path, let field):
            guard let vault else { throw .unavailable("secrets.vault.address is not set") }
            return try await vault.value(mount: mount, path: path, field: field)
        }
    }
}
