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
    /// The alias of the stored key that goes along.
    package let keyAlias: KeyAlias?
    package let reply: ReplyShape

    init(
        route: NativeRoute, model: String?, request: UpstreamRequest, keyAlias: KeyAlias?, reply: ReplyShape
    ) {
        self.route = route
        self.model = model
        self.request = request
        self.keyAlias = keyAlias
        self.reply = reply
    }
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

/// What Serve will do for an admitted request.
package struct ServePlan: Sendable {
    package var attempts: [Attempt]
}

/// Third phase: decides which provider is called, where, with whose credentials and which body.
@WorkerLoop
struct Plan {
    let environment: WorkerEnvironment

    /// A native call: path and credential are mapped, everything else goes through as it came.
    func native(_ admitted: Admitted, memo: ConnectionMemo, body: RequestBody) throws(GatewayError) -> Attempt {
        let inbound = admitted.inbound
        let route = try route(admitted, memo)
        let target = route.target
        let key = try storedKey(for: route.provider.definition, admitted)
        let framing: BodyFraming = inbound.head.framing
        var head = UpstreamHead(admitted, provider: route.provider.definition, target: target)
        if let key { head.inject(key.value, route.provider.definition, target) }
        head.finish(framing)
        let request = UpstreamRequest(
            origin: target.origin, head: head.buffer, isHeadMethod: inbound.isHeadMethod, framing: framing, body: body,
            egress: target.egress, firstByteTimeout: inbound.directives.requestTimeout
        )
        return Attempt(route: route, model: route.model, request: request, keyAlias: key?.alias, reply: .asIs)
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
        guard let provider = environment.provider(segment: head.text(inbound.address.provider)) else {
            throw GatewayError(.invalidProvider, origin: .client, detail: "unknown provider segment")
        }
        let rest = head.text(inbound.address.rest)
        let target = try provider.definition.target(
            path: rest, query: inbound.address.query.map { head.text($0) }, account: admitted.gateway.account,
            workersAIAccount: environment.workersAIAccount,
            removing: QueryFilter(keys: admitted.withheldQueryKeys, prefixes: [QueryPairs.gatewayPrefix])
        )
        let route = NativeRoute(
            provider: provider, target: target, model: provider.definition.modelInPath(rest), path: rest
        )
        if inbound.address.query == nil {
            head.withBytes { memo.remember(UnsafeRawBufferPointer(rebasing: $0[head.target]), route) }
        }
        return route
    }

    /// A call through the OpenAI-compatible endpoint, once its whole body is there.
    func compat(_ admitted: Admitted, body whole: ByteBuffer) throws(GatewayError) -> Attempt {
        let facts = try CompatBody.read(whole)
        guard let (definition, prefixless) = environment.providers.compatTarget(model: facts.model),
            let provider = environment.provider(segment: definition.id.rawValue)
        else {
            if facts.model.contains("/") {
                throw GatewayError(.invalidProvider, origin: .client, detail: "unknown model prefix")
            }
            throw GatewayError(.badChatCompletion, origin: .client, detail: "model without provider prefix")
        }
        let (target, model) = try definition.compatTarget(
            model: prefixless, account: admitted.gateway.account, workersAIAccount: environment.workersAIAccount
        )
        let asksForUsage = facts.isStream && !facts.includesUsage && definition.compat.surface?.usageOption == .ask
        let body = facts.rewritten(model: model, asksForUsage ? .addUsageOption : .modelOnly)

        // The client's bearer is the provider's key and moves to the provider's own place (providers.md §2.1).
        var head = UpstreamHead(admitted, provider: definition, target: target, keepingCredentials: .none)
        var alias: KeyAlias?
        if let key = admitted.providerKey {
            head.inject(key, definition, target)
        } else if let key = try storedKey(for: definition, admitted, alias: nil) {
            head.inject(key.value, definition, target)
            alias = key.alias
        }
        let framing = BodyFraming.length(body.readableBytes)
        head.finish(framing)
        let request = UpstreamRequest(
            origin: target.origin, head: head.buffer, framing: framing, body: RequestBody(complete: body),
            egress: target.egress, firstByteTimeout: admitted.inbound.directives.requestTimeout
        )
        let path = admitted.inbound.head.text(admitted.inbound.address.rest)
        let route = NativeRoute(provider: provider, target: target, model: model, path: path)
        return Attempt(
            route: route, model: model, request: request, keyAlias: alias,
            reply: asksForUsage ? .withoutUsageChunk : .compat
        )
    }

    private struct StoredKey {
        var alias: KeyAlias
        var value: Secret<String>
    }

    private func storedKey(for provider: ProviderDefinition, _ admitted: Admitted) throws(GatewayError) -> StoredKey? {
        // A credential that came with the request wins (data-plane §3.2).
        if admitted.hasQueryKey || admitted.carriesKey(for: provider) { return nil }
        return try storedKey(for: provider, admitted, alias: admitted.inbound.directives.byokAlias)
    }

    private func storedKey(
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
        guard let sealed = admitted.index.secret(chosen.secret), let value = environment.secrets.open(sealed) else {
            throw GatewayError(.storedKeyUnavailable, origin: .gateway, detail: "secret missing or unreadable")
        }
        return StoredKey(alias: chosen.alias, value: Secret(String(decoding: value.reveal(), as: UTF8.self)))
    }
}

extension Inbound {
    var isHeadMethod: Bool { head.withBytes { ("HEAD" as StaticString).equals($0, head.method) } }
    var isPostMethod: Bool { head.withBytes { ("POST" as StaticString).equals($0, head.method) } }
}

extension Admitted {
    /// Whether the request itself has a credential in a place that this provider reads.
    func carriesKey(for provider: ProviderDefinition) -> Bool {
        guard !providerKeyFields.isEmpty else { return false }
        let head = inbound.head
        return head.withBytes { bytes in
            providerKeyFields.contains { position in
                let name = head.fields[position].name
                return provider.credential.acceptedHeaders.contains { $0.matches(bytes, name) }
            }
        }
    }
}
