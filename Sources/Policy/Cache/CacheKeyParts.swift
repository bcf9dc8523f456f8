package import GatewayCore

/// Everything that tells one answer from another, besides the request's body.
///
/// A key cannot be made without account, gateway and credential, so no answer is ever found by another tenant. Each
/// part goes into the digest with its length in front: no two different lists of parts are the same bytes.
/// Not copied: it consists of many texts, and is used once.
/// - Source: data-plane §4.1 "Default key", "Scope", "Custom key"
package struct CacheKeyParts: ~Copyable, Sendable {
    /// In which of the two shapes a client gets the answer.
    package enum Surface: UInt8, Sendable {
        /// As the provider gives it.
        case native = 0
        /// In OpenAI's shape, whoever the provider is.
        case compat = 1
        /// The same as an answer of the Responses API.
        case responses = 2
    }

    private let account: AccountID
    private let gateway: GatewayID
    private let cacheEpoch: UInt64
    package var provider: ProviderID
    /// `CustomProviderPlan.cacheEpoch`; nil for providers that are built in.
    package var providerEpoch: UInt64?
    package var surface: Surface
    package var method: String
    /// As called at the provider.
    package var path: String
    /// As called at the provider, without the question mark.
    package var query: String?
    /// Where the request names it outside of its body.
    package var model: String?
    package var credential: CredentialIdentity

    package init(
        gateway: GatewayPlan, provider: ProviderID, providerEpoch: UInt64? = nil, surface: Surface, method: String,
        path: String, query: String?, model: String?, credential: CredentialIdentity
    ) {
        account = gateway.account
        self.gateway = gateway.id
        cacheEpoch = gateway.cacheEpoch
        self.provider = provider
        self.providerEpoch = providerEpoch
        self.surface = surface
        self.method = method
        self.path = path
        self.query = query
        self.model = model
        self.credential = credential
    }

    /// The key of the answer to this request.
    /// - Parameter body: the client's own bytes, whole.
    @WorkerLoop
    package func key(body: UnsafeRawBufferPointer, hasher: any ContentHasher) -> CacheKey {
        digest(.computed, longest: length, body, hasher) { write(into: &$0) }
    }

    /// Everything but the body that the key of this request depends on: requests with equal bytes here and equal
    /// bodies have equal keys.
    package func remembered() -> RememberedKeyParts {
        let room = room(length)
        let bytes = [UInt8](unsafeUninitializedCapacity: room) { space, count in
            var parts = LengthPrefixedParts(UnsafeMutableRawBufferPointer(space))
            begin(.computed, &parts)
            write(into: &parts)
            count = parts.bytes.count
        }
        return RememberedKeyParts(bytes: Secret(bytes), epoch: cacheEpoch)
    }

    private func write(into parts: inout LengthPrefixedParts) {
        parts.add(provider.rawValue)
        parts.add(optional: providerEpoch)
        parts.add(byte: surface.rawValue)
        parts.add(method)
        parts.add(path)
        parts.add(optional: query)
        parts.add(optional: model)
        switch credential {
        case .none: parts.add(byte: 0)
        case .request(let value):
            parts.add(byte: 1)
            value.reveal().withUnsafeBytes { parts.add($0) }
        case .stored(let id):
            parts.add(byte: 2)
            parts.add(id.rawValue)
        }
    }

    private func begin(_ kind: Kind, _ parts: inout LengthPrefixedParts) {
        parts.add(byte: Self.version)
        parts.add(byte: kind.rawValue)
        parts.add(account.rawValue)
        parts.add(gateway.rawValue)
    }

    /// Bytes that suffice for the tenant's parts and `longest` bytes of others.
    private func room(_ longest: Int) -> Int {
        account.rawValue.utf8.count + gateway.rawValue.utf8.count + longest
            + Self.parts * LengthPrefixedParts.overhead
    }

    /// Bytes of all parts that a computed key has besides the tenant's.
    private var length: Int {
        let texts = provider.rawValue.utf8.count + method.utf8.count + path.utf8.count
        let optionals = (query?.utf8.count ?? 0) + (model?.utf8.count ?? 0)
        switch credential {
        case .none: return texts + optionals
        case .request(let value): return texts + optionals + value.reveal().count
        case .stored(let id): return texts + optionals + id.rawValue.utf8.count
        }
    }

    /// The key that the client chose: the same for every request of the gateway that names it.
    ///
    /// A provider that the account defined itself remains part of it, because a change of the provider has to end
    /// its entries, whatever they are called (data-plane §4.1 "Invalidation").
    @WorkerLoop
    package func key(named name: String, hasher: any ContentHasher) -> CacheKey {
        let length = provider.rawValue.utf8.count + name.utf8.count
        return digest(.chosen, longest: length, UnsafeRawBufferPointer(start: nil, count: 0), hasher) { parts in
            parts.add(optional: providerEpoch)
            if providerEpoch != nil { parts.add(provider.rawValue) }
            parts.add(name)
        }
    }

    private enum Kind: UInt8 { case computed = 1, chosen = 2 }

    /// Changed when the same request would get another list of parts.
    private static let version: UInt8 = 1

    /// More parts than any key has.
    private static let parts = 16

    /// - Parameter longest: bytes of what `write` adds.
    @WorkerLoop
    private func digest(
        _ kind: Kind, longest: Int, _ body: UnsafeRawBufferPointer, _ hasher: any ContentHasher,
        _ write: (inout LengthPrefixedParts) -> Void
    ) -> CacheKey {
        withUnsafeTemporaryAllocation(byteCount: room(longest), alignment: 1) { space in
            var parts = LengthPrefixedParts(space)
            begin(kind, &parts)
            write(&parts)
            hasher.begin()
            hasher.update(parts.bytes)
            hasher.update(body)
            return CacheKey(digest: hasher.finish(), epoch: cacheEpoch)
        }
    }
}
