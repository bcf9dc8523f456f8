package import GatewayCore
package import PostgresStore
package import SecretVault

/// What operators do with stored provider keys (control-plane.md §7).
package struct ProviderConfigAdministration: Sendable {
    /// Bytes of a secret's value (control-plane.md §13.2).
    package static let maximumSecret = 65_536

    private let configs: ProviderConfigRepository
    private let vault: Vault
    private let canonicalProvider: @Sendable (String) -> ProviderID

    /// - Parameter canonicalProvider: replaces the other names of a provider by the one that routes use.
    package init(_ pool: PostgresPool, vault: Vault, canonicalProvider: @escaping @Sendable (String) -> ProviderID) {
        configs = ProviderConfigRepository(pool)
        self.vault = vault
        self.canonicalProvider = canonicalProvider
    }

    package func list(
        of gateway: GatewayID, in account: AccountID, page: PageRequest
    ) async throws(ControlError) -> Page<ProviderConfig> {
        try await storing { try await configs.list(gateway, of: account, page: page) }
    }

    package func create(
        _ body: JSONValue, of gateway: GatewayID, in account: AccountID, now: Instant
    ) async throws(ControlError) -> ConfigurationWrite<ProviderConfig> {
        var reader = FieldReader(body)
        let slug = reader.requiredString("provider_slug", lengths: 1...80)
        if !slug.isEmpty, !Self.isSlug(slug) { reader.report("provider_slug", "Invalid provider slug") }
        let alias = reader.requiredString("alias", lengths: 1...128)
        var isDefault = false
        reader.bool("default_config", .required, into: &isDefault)
        var value: String?
        reader.string("secret", lengths: 1...Self.maximumSecret, into: &value)
        if let value, value.utf8.count > Self.maximumSecret { reader.report("secret", "Secret is too long") }
        var secretID: String?
        reader.string("secret_id", lengths: 0...64, into: &secretID)
        if secretID == "" { secretID = nil }
        if value != nil, secretID != nil { reader.report("secret_id", "Give either secret or secret_id") }
        var rateLimit: Int?
        reader.integer("rate_limit", in: 0...Int(Int32.max), into: &rateLimit)
        var period: Int? = 60
        reader.integer("rate_limit_period", in: 0...Int(Int32.max), into: &period)
        try reader.finish()

        let provider = canonicalProvider(slug)
        let name = [gateway.rawValue, provider.rawValue, alias].joined(separator: "_")
        let source: SecretSource =
            if let value {
                .value(try seal(value, name: name, account: account))
            } else if let secretID {
                .existing(SecretID(secretID))
            } else {
                .named(name)
            }
        let config = ProviderConfig(
            id: try Self.identifier(), account: account, gateway: gateway, provider: provider,
            alias: KeyAlias(alias), isDefault: isDefault, secret: "", secretPreview: "", rateLimit: rateLimit,
            rateLimitPeriodSeconds: period, modifiedAt: now
        )
        let store = StoreID(try Self.identifier())
        return try await storing {
            do {
                return try await configs.insert(config, secret: source, newStore: store)
            } catch let refusal as ProviderConfigRefusal {
                throw ControlError(refusal, name: name)
            }
        }
    }

    /// Gives a provider config's secret a new value.
    package func rotate(
        _ id: String, of gateway: GatewayID, in account: AccountID, _ body: JSONValue
    ) async throws(ControlError) -> ConfigurationWrite<ProviderConfig> {
        var reader = FieldReader(body)
        let value = reader.requiredString("secret", lengths: 1...Self.maximumSecret)
        if value.utf8.count > Self.maximumSecret { reader.report("secret", "Secret is too long") }
        try reader.finish()
        let written = try await storing {
            try await configs.rotate(id, of: gateway, in: account, preview: Self.preview(of: value)) { secret in
                try vault.seal(Secret(Array(value.utf8)), account: account, secretID: secret)
            }
        }
        guard let written else { throw .notFound }
        return written
    }

    package func delete(
        _ id: String, of gateway: GatewayID, in account: AccountID
    ) async throws(ControlError) -> ConfigurationWrite<ProviderConfig> {
        let written = try await storing { try await configs.delete(id, of: gateway, in: account) }
        guard let config = written.value else { throw .notFound }
        return ConfigurationWrite(value: config, version: written.version)
    }

    private func seal(_ value: String, name: String, account: AccountID) throws(ControlError) -> NewSecret {
        let id = SecretID(try Self.identifier())
        do {
            return NewSecret(
                id: id, name: name, scopes: ["ai_gateway"],
                envelope: try vault.seal(Secret(Array(value.utf8)), account: account, secretID: id),
                preview: Self.preview(of: value)
            )
        } catch {
            throw .internalFailure("a secret could not be sealed")
        }
    }

    private static func identifier() throws(ControlError) -> String {
        do { return try RandomBytes.hexadecimal(bytes: 16) } catch { throw .internalFailure("no random bytes") }
    }

    /// The last four characters behind a mask; of short values only the mask.
    static func preview(of value: String) -> String {
        value.unicodeScalars.count >= 16 ? "****" + String(value.suffix(4)) : "****"
    }

    private static func isSlug(_ text: String) -> Bool {
        text.utf8.allSatisfy {
            (0x61...0x7a).contains($0) || (0x30...0x39).contains($0) || $0 == UInt8(ascii: "-")
                || $0 == UInt8(ascii: "_")
        }
    }
}

extension ControlError {
    fileprivate init(_ refusal: ProviderConfigRefusal, name: String) {
        self =
            switch refusal {
            case .noSuchGateway: .notFound
            case .noSuchStore:
                .invalid([FieldProblem(["body", "secret"], "The gateway's secrets store was not found")])
            case .noSuchSecret:
                .invalid([FieldProblem(["body", "secret_id"], "Secret \(name) was not found")])
            case .taken:
                .invalid([FieldProblem(["body", "alias"], "Provider config \(name) already exists")])
            }
    }
}
