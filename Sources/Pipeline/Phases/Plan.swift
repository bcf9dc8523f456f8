import CloudflareWire
package import GatewayCore
import NIOCore
import Providers
import WireFormats

/// One call of one provider, ready to be sent.
package final class Attempt: Sendable {
    let route: NativeRoute
    /// The model as far as the request tells it; the answer may name it more exactly.
    package let model: String?
    package let request: UpstreamRequest
    /// The stored key that goes along.
    let key: StoredKey?
    package let reply: ReplyShape
    /// How the answer becomes one in OpenAI's form; nil when it is one already, or has to stay as it is.
    let translation: ChatTranslation?
    /// Further calls that the request needs; nil for nearly all.
    let further: FurtherRequests?
    /// What `request` still lacks: a credential that is made for each attempt; nil for nearly all calls.
    let derived: DerivedCredential?
    /// Where the answer's reasoning is noted for the next request; nil when nobody needs it.
    let echo: ReasoningScope?
    /// What the request refers to and has to hold instead; nil for nearly all calls.
    ///
    /// The call is complete but for that, and is written anew with it before it is sent.
    let awaited: AwaitedMedia?
    /// What of the client's request the provider is not told of.
    let dropped: DroppedMembers

    init(
        route: NativeRoute, model: String?, request: UpstreamRequest, key: StoredKey?, reply: ReplyShape,
        translation: ChatTranslation? = nil, further: FurtherRequests? = nil, derived: DerivedCredential? = nil,
        echo: ReasoningScope? = nil, awaited: AwaitedMedia? = nil,
        dropped: DroppedMembers = DroppedMembers()
    ) {
        self.route = route
        self.model = model
        self.request = request
        self.key = key
        self.reply = reply
        self.translation = translation
        self.further = further
        self.derived = derived
        self.echo = echo
        self.awaited = awaited
        self.dropped = dropped
    }

    /// Bytes of all bodies that the provider gets.
    @WorkerLoop
    var bodyBytes: Int {
        (further?.requests ?? []).reduce(request.body.received) { $0 + $1.body.received }
    }
}

/// A key out of the secrets store, chosen for a call.
struct StoredKey: Sendable {
    /// Nil for a key that the request called by its name.
    var alias: KeyAlias?
    var secret: SecretID
    var value: Secret<String>
    /// The key's own limit.
    var limit: RateRule?
}

/// What has to happen to an answer on its way to the client.
package enum ReplyShape: Sendable, Equatable {
    /// The provider's bytes, untouched.
    case asIs
    /// A compat stream for which usage was asked on the gateway's own account: the chunk that carries it is withheld.
    case withoutUsageChunk
    /// A compat answer: untouched, but a broken stream ends with an error event.
    case compat
}

/// Third phase: decides which provider is called, where, with whose credentials and which body.
@WorkerLoop
struct Plan {
    let environment: WorkerEnvironment

    /// A native call: path and credential are mapped, everything else goes through as it came.
    func native(_ admitted: Admitted, memo: ConnectionMemo, body: RequestBody) throws(GatewayError) -> Attempt {
        if let known = admitted.memory?.keyless {
            let framing = admitted.inbound.head.framing
            if let finished = known.finished, finished.framing == framing {
                return native(admitted, known.route, finished.head, key: nil, body)
            }
            var head = UpstreamHead(known.head)
            head.finish(framing)
            admitted.memory?.keyless?.finished = (framing, head.buffer)
            return native(admitted, known.route, head.buffer, key: nil, body)
        }
        let route = try route(admitted, memo)
        let target = route.target
        let provider = route.provider.definition
        var key = namedKey(admitted, for: provider)
        if key == nil { key = try configuredKey(for: provider, admitted) }
        try checkCredential(admitted, provider, key)
        let derived = derivedCredential(admitted, key, provider, target)
        var head = UpstreamHead(
            admitted, provider: provider, target: target,
            keepingCredentials: key == nil && derived == nil ? .providerKeys : .none
        )
        if derived != nil {
            head.addRequired(provider)
        } else if let key {
            head.inject(key.value, provider, target)
        } else {
            admitted.memory?.keyless = KeylessCall(route: route, head: head.buffer)
        }
        head.finish(admitted.inbound.head.framing)
        return native(admitted, route, head.buffer, key: key, derived: derived, body)
    }

    /// What is made of the call's key, where it is no key to be sent: a stored one, or the client's own.
    private func derivedCredential(
        _ admitted: Admitted, _ key: StoredKey?, _ provider: ProviderDefinition, _ target: UpstreamTarget
    ) -> DerivedCredential? {
        guard provider.credential.derivation.scheme != nil else { return nil }
        if let key { return DerivedCredential(key.value, provider, target) }
        guard let own = admitted.providerKey, admitted.carriesKey(for: provider) else { return nil }
        return DerivedCredential(own, provider, target)
    }

    private func native(
        _ admitted: Admitted, _ route: NativeRoute, _ head: ByteBuffer, key: StoredKey?,
        derived: DerivedCredential? = nil, _ body: RequestBody
    ) -> Attempt {
        let inbound = admitted.inbound
        let request = UpstreamRequest(
            origin: route.target.origin, head: head, isHeadMethod: inbound.isHeadMethod,
            framing: inbound.head.framing, body: body, egress: route.target.egress,
            firstByteTimeout: admitted.settings.timeout
        )
        return Attempt(route: route, model: route.model, request: request, key: key, reply: .asIs, derived: derived)
    }

    /// Where a native URL leads.
    ///
    /// Without a query it depends on nothing but the URL, and is remembered.
    private func route(_ admitted: Admitted, _ memo: ConnectionMemo) throws(GatewayError) -> NativeRoute {
        let inbound = admitted.inbound
        let head = inbound.head
        if inbound.address.query == nil {
            let known = head.withBytes { memo.route(UnsafeRawBufferPointer(rebasing: $0[head.target])) }
            if let known { return known }
        }
        guard let provider = try environment.provider(segment: head.text(inbound.address.provider), admitted) else {
            throw GatewayError(.invalidProvider, origin: .client, detail: "unknown provider segment")
        }
        let rest = head.text(inbound.address.rest)
        let filter = QueryFilter(keys: admitted.withheldQueryKeys, prefixes: [QueryPairs.gatewayPrefix])
        if let field = provider.definition.targetField, let named = Self.value(of: field.name, in: head) {
            let target = try provider.definition.target(named: named, removing: filter)
            let path = String(target.path.dropFirst())
            return NativeRoute(
                provider: provider, target: target, model: provider.definition.modelInPath(path), path: path
            )
        }
        let target = try provider.definition.target(
            path: rest, query: inbound.address.query.map { head.text($0) }, account: admitted.gateway.account,
            workersAIAccount: environment.workersAIAccount, removing: filter
        )
        let route = NativeRoute(
            provider: provider, target: target, model: provider.definition.modelInPath(rest), path: rest
        )
        if inbound.address.query == nil, provider.definition.targetField == nil {
            head.withBytes { memo.remember(UnsafeRawBufferPointer(rebasing: $0[head.target]), route) }
        }
        return route
    }

    /// The value of the first field of a name.
    private static func value(of name: StaticString, in head: RequestHead) -> String? {
        let range = head.withBytes { bytes in head.fields.first { name.matches(bytes, $0.name) }?.value }
        return range.map { head.text($0) }
    }

    /// What a call through the OpenAI-compatible endpoint asks for, once its whole body is there.
    func reading(
        _ endpoint: CompatEndpoint, _ admitted: Admitted, body whole: ByteBuffer
    ) throws(GatewayError) -> CompatReading {
        let asked = try CompatBody.read(whole)
        guard let (provider, model) = try environment.compatProvider(model: asked.model, admitted) else {
            if asked.model.contains("/") {
                throw GatewayError(.invalidProvider, origin: .client, detail: "unknown model prefix")
            }
            throw GatewayError(.badChatCompletion, origin: .client, detail: "model without provider prefix")
        }
        return CompatReading(
            call: try CompatCall(endpoint, asked, provider.definition, model: model), provider: provider, model: model
        )
    }

    /// A call through the OpenAI-compatible endpoint, with what had to be got for it.
    ///
    /// - Parameter awaited: what has to be got yet, and stands in `supplements` by its place only.
    func compat(
        _ admitted: Admitted, _ reading: CompatReading, _ supplements: ChatSupplements,
        awaiting awaited: AwaitedMedia? = nil
    ) throws(GatewayError) -> Attempt {
        let (call, provider, prefixless) = (reading.call, reading.provider, reading.model)
        let definition = provider.definition
        let target: UpstreamTarget
        let model: String
        let body: ByteBuffer
        var shape = ReplyShape.compat
        var dropped = call.dropped
        var further: FurtherCalls?
        var translation: ChatTranslation?
        var fields: [(name: StaticString, value: String)] = []
        var key = namedKey(admitted, for: definition)
        var own = key == nil ? admitted.providerKey : nil
        if key == nil, own.map({ Credential.isPlaceholder($0.reveal()) }) ?? true {
            // An alias is for native endpoints only (data-plane §3.3).
            key = try configuredKey(for: definition, admitted, alias: nil)
            if key != nil { own = nil }
        }
        let credential = key?.value ?? own
        let place = credential.flatMap { definition.credential.place?($0.reveal()) }
        if let translator = call.translator {
            let chat: TranslatedChat
            (target, chat, translation) = try translated(
                call.facts.bytes, with: supplements, by: translator, for: definition, model: prefixless, place: place,
                admitted
            )
            (body, fields, further) = (chat.body, chat.fields, chat.further)
            dropped.add(chat.dropped)
            model = prefixless
        } else {
            (target, model) = try definition.compatTarget(
                model: prefixless, place: place, endpoint: call.endpoint.rawValue, rebase: call.rebase,
                account: admitted.gateway.account,
                workersAIAccount: environment.workersAIAccount
            )
            let refused: DroppedMembers
            (body, translation, shape, refused) = try shaped(call, for: definition, model: model)
            dropped.add(refused)
        }

        // The client's bearer is the provider's key and moves to the provider's own place (providers.md §2.1).
        var head = UpstreamHead(admitted, provider: definition, target: target, keepingCredentials: .none)
        let derived = credential.flatMap { DerivedCredential($0, definition, target) }
        if derived != nil {
            head.addRequired(definition)
        } else if let credential {
            head.inject(credential, definition, target)
        }
        if admitted.providerKey == nil { try checkCredential(admitted, definition, key) }
        head.add(fields)
        let parts = further.map { further in
            FurtherRequests(requests: further.bodies.map { sent(target, head, $0, admitted) }, join: further.join)
        }
        let request = sent(target, head, body, admitted)
        let path = admitted.inbound.head.text(admitted.inbound.address.rest)
        let route = NativeRoute(provider: provider, target: target, model: model, path: path)
        return Attempt(
            route: route, model: model, request: request, key: key,
            reply: call.replyShape(shape),
            translation: call.translation(translation, definition, at: environment.clock.now), further: parts,
            derived: derived, echo: reading.echo == nil ? nil : Supply.scope(of: .text, admitted), awaited: awaited,
            dropped: dropped
        )
    }

    /// The key that the request calls by the name of its secret (data-plane §3.3): in the place of a provider key, or
    /// in the gateway's own header where no token stands.
    private func namedKey(_ admitted: Admitted, for provider: ProviderDefinition) -> StoredKey? {
        let index = admitted.index
        guard index.hasSecrets else { return nil }
        let account = admitted.gateway.account
        var sealed = admitted.providerKey.flatMap { index.secret(named: $0.reveal(), of: account) }
        if sealed == nil, let range = admitted.inbound.directives.authorization, !admitted.tokens.contains(range) {
            sealed = index.secret(named: admitted.inbound.head.text(range), of: account)
        }
        guard let sealed, let value = open(sealed, for: provider) else { return nil }
        return StoredKey(alias: nil, secret: sealed.id, value: value, limit: nil)
    }

    /// The value of a secret; nil when it cannot be opened, or can neither stand in a header nor be made something of
    /// that can.
    private func open(_ sealed: SealedSecret, for provider: ProviderDefinition) -> Secret<String>? {
        guard let bytes = environment.secrets.open(sealed)?.reveal(), !bytes.isEmpty else { return nil }
        let value = Secret(String(decoding: bytes, as: UTF8.self))
        if bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) { return value }
        return provider.credential.derivation.scheme?.document(in: value) == nil ? nil : value
    }

    private func configuredKey(
        for provider: ProviderDefinition, _ admitted: Admitted
    ) throws(GatewayError) -> StoredKey? {
        // A credential that came with the request wins (data-plane §3.2).
        if admitted.hasQueryKey || admitted.carriesKey(for: provider) { return nil }
        return try configuredKey(for: provider, admitted, alias: admitted.settings.byokAlias)
    }

    private func configuredKey(
        for provider: ProviderDefinition, _ admitted: Admitted, alias: KeyAlias?
    ) throws(GatewayError) -> StoredKey? {
        let gateway = admitted.gateway
        let keys = admitted.index.keys(for: provider.id, of: gateway.id, in: gateway.account)
        guard !keys.isEmpty else { return nil }
        let chosen: ProviderKey
        if let alias {
            guard let named = keys.first(where: { $0.alias == alias }) else {
                let known = keys.map { "'\($0.alias)'" }.sorted().joined(separator: ", ")
                throw GatewayError(
                    .storedKeyUnavailable, origin: .client,
                    message: "Provider '\(provider.id)' has no BYOK credential named '\(alias)'. "
                        + "Configured aliases: \(known)"
                )
            }
            chosen = named
        } else {
            guard let preferred = keys.first(where: \.isDefault) ?? keys.first(where: { $0.alias == .default }) else {
                return nil
            }
            chosen = preferred
        }
        guard let sealed = admitted.index.secret(chosen.secret), let value = open(sealed, for: provider) else {
            throw GatewayError(.storedKeyUnavailable, origin: .gateway, detail: "secret missing or unreadable")
        }
        return StoredKey(
            alias: chosen.alias, secret: chosen.secret, value: value, limit: Self.limit(of: chosen)
        )
    }

    /// The limit of a stored key, over fixed windows (control-plane §7).
    private static func limit(of key: ProviderKey) -> RateRule? {
        guard let limit = key.rateLimit, limit > 0, let period = key.rateLimitPeriodSeconds, period > 0 else {
            return nil
        }
        return RateRule(name: "key/\(key.provider)/\(key.alias)", limit: limit, interval: period, technique: .fixed)
    }

    /// Refuses a call that would go out without any credential where the gateway or the request demands one
    /// (data-plane §3.2, rule 4).
    private func checkCredential(
        _ admitted: Admitted, _ provider: ProviderDefinition, _ key: StoredKey?
    ) throws(GatewayError) {
        guard admitted.settings.forbidsWholesale, key == nil, !admitted.hasQueryKey, admitted.providerKey == nil,
            provider.service != .sandbox
        else { return }
        throw GatewayError(
            .storedKeyUnavailable, origin: .client,
            message: "Provider '\(provider.id)' needs a credential: send one or store a BYOK credential"
        )
    }
}

extension Admitted {
    /// Whether the request itself has a credential in a place that this provider reads, and not just something in it.
    func carriesKey(for provider: ProviderDefinition) -> Bool {
        guard !providerKeyFields.isEmpty else { return false }
        let head = inbound.head
        return head.withBytes { bytes in
            providerKeyFields.contains { position in
                let field = head.fields[position]
                guard provider.credential.acceptedHeaders.contains(where: { $0.matches(bytes, field.name) }),
                    let key = Credential.withoutScheme(bytes, field.value)
                else { return false }
                return !Credential.isPlaceholder(UnsafeRawBufferPointer(rebasing: bytes[key]))
            }
        }
    }
}
