package import NIOCore

extension ConfigSnapshot {
    /// The form in which a snapshot travels to workers and lies on disk.
    package func encoded() -> ByteBuffer {
        var out = TaggedWriter()
        out.write(1, fixed: version)
        for account in accounts { out.write(2, account.rawValue) }
        for gateway in gateways { out.write(3) { gateway.encode(into: &$0) } }
        for token in tokens { out.write(4) { token.encode(into: &$0) } }
        for key in providerKeys { out.write(5) { key.encode(into: &$0) } }
        for secret in secrets { out.write(6) { secret.encode(into: &$0) } }
        for provider in customProviders { out.write(7) { provider.encode(into: &$0) } }
        out.write(15, fixed: entryCount)
        return out.buffer
    }

    /// Reads a snapshot; nil when bytes are damaged or missing, so that the last good one stays.
    package init?(decoding buffer: ByteBuffer) {
        var reader = TaggedReader(buffer)
        self.init()
        var entries: UInt64?
        while let field = reader.next() {
            switch field.number {
            case 1: version = field.unsigned
            case 2: accounts.append(AccountID(field.string))
            case 3: gateways.append(GatewayPlan(decoding: field.nested))
            case 4: tokens.append(TokenGrant(decoding: field.nested))
            case 5: providerKeys.append(ProviderKey(decoding: field.nested))
            case 6: secrets.append(SealedSecret(decoding: field.nested))
            case 7: customProviders.append(CustomProviderPlan(decoding: field.nested))
            case 15: entries = field.unsigned
            default: break
            }
        }
        guard !reader.isDamaged, entries == entryCount else { return nil }
    }

    private var entryCount: UInt64 {
        UInt64(gateways.count + tokens.count + providerKeys.count + secrets.count + customProviders.count)
    }
}

extension GatewayPlan {
    fileprivate func encode(into out: inout TaggedWriter) {
        out.write(1, account.rawValue)
        out.write(2, id.rawValue)
        out.write(3, authentication)
        out.write(4, collectLogs)
        out.write(5, cacheTTLSeconds)
        out.write(6, cacheEpoch)
        out.write(7, rateLimit)
        out.write(8, rateLimitIntervalSeconds)
        out.write(9, rateLimitTechnique.rawValue)
        out.write(10, retryMaxAttempts)
        out.write(11, retryDelayMilliseconds)
        out.write(12, retryBackoff?.rawValue)
        out.write(13, byokOnly)
        out.write(14, zeroDataRetention)
        out.write(15, streamIdleTimeoutMilliseconds)
    }

    fileprivate init(decoding reader: TaggedReader) {
        self.init(account: "", id: "")
        collectLogs = false
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: account = AccountID(field.string)
            case 2: id = GatewayID(field.string)
            case 3: authentication = field.bool
            case 4: collectLogs = field.bool
            case 5: cacheTTLSeconds = field.int
            case 6: cacheEpoch = field.unsigned
            case 7: rateLimit = field.int
            case 8: rateLimitIntervalSeconds = field.int
            case 9: rateLimitTechnique = RateLimitTechnique(rawValue: field.string) ?? .fixed
            case 10: retryMaxAttempts = field.int
            case 11: retryDelayMilliseconds = field.int
            case 12: retryBackoff = RetryBackoff(rawValue: field.string)
            case 13: byokOnly = field.bool
            case 14: zeroDataRetention = field.bool
            case 15: streamIdleTimeoutMilliseconds = field.int
            default: break
            }
        }
    }
}

extension TokenGrant {
    fileprivate func encode(into out: inout TaggedWriter) {
        out.write(1, id.rawValue)
        out.write(2, bytes: hash)
        out.write(3, account.rawValue)
        out.write(4, UInt64(permissions.rawValue))
        out.write(5, signed: expiresAt?.microseconds)
        out.write(6, signed: notBefore?.microseconds)
    }

    fileprivate init(decoding reader: TaggedReader) {
        self.init(id: "", hash: [], account: "", permissions: [])
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: id = TokenID(field.string)
            case 2: hash = field.array
            case 3: account = AccountID(field.string)
            case 4: permissions = Permissions(rawValue: UInt16(truncatingIfNeeded: field.unsigned))
            case 5: expiresAt = Instant(microseconds: field.signed)
            case 6: notBefore = Instant(microseconds: field.signed)
            default: break
            }
        }
    }
}

extension ProviderKey {
    fileprivate func encode(into out: inout TaggedWriter) {
        out.write(1, account.rawValue)
        out.write(2, gateway.rawValue)
        out.write(3, provider.rawValue)
        out.write(4, alias.rawValue)
        out.write(5, isDefault)
        out.write(6, secret.rawValue)
        out.write(7, rateLimit)
        out.write(8, rateLimitPeriodSeconds)
    }

    fileprivate init(decoding reader: TaggedReader) {
        self.init(account: "", gateway: "", provider: "", alias: "", isDefault: false, secret: "")
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: account = AccountID(field.string)
            case 2: gateway = GatewayID(field.string)
            case 3: provider = ProviderID(field.string)
            case 4: alias = KeyAlias(field.string)
            case 5: isDefault = field.bool
            case 6: secret = SecretID(field.string)
            case 7: rateLimit = field.int
            case 8: rateLimitPeriodSeconds = field.int
            default: break
            }
        }
    }
}

extension SealedSecret {
    fileprivate func encode(into out: inout TaggedWriter) {
        out.write(1, id.rawValue)
        out.write(2, account.rawValue)
        out.write(3, name)
        out.write(4, bytes: envelope)
    }

    fileprivate init(decoding reader: TaggedReader) {
        self.init(id: "", account: "", name: "", envelope: [])
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: id = SecretID(field.string)
            case 2: account = AccountID(field.string)
            case 3: name = field.string
            case 4: envelope = field.array
            default: break
            }
        }
    }
}

extension CustomProviderPlan {
    fileprivate func encode(into out: inout TaggedWriter) {
        out.write(1, account.rawValue)
        out.write(2, slug)
        out.write(3, baseURL)
        out.write(4, isEnabled)
        out.write(5, cacheEpoch)
        if let headers { out.write(6) { headers.encode(into: &$0) } }
        for cost in costs { out.write(7) { cost.encode(into: &$0) } }
    }

    fileprivate init(decoding reader: TaggedReader) {
        self.init(account: "", slug: "", baseURL: "", isEnabled: false)
        var reader = reader
        while let field = reader.next() {
            switch field.number {
            case 1: account = AccountID(field.string)
            case 2: slug = field.string
            case 3: baseURL = field.string
            case 4: isEnabled = field.bool
            case 5: cacheEpoch = field.unsigned
            case 6: headers = SealedSecret(decoding: field.nested)
            case 7: costs.append(CustomCostRule(decoding: field.nested))
            default: break
            }
        }
    }
}
