import CloudflareWire
import GatewayCore
import NIOCore
import Policy
import Providers

/// What a planned call asks of the shared store: its cache terms and its limits.
@WorkerLoop
struct Gate {
    let environment: WorkerEnvironment

    /// Bytes of a request body that may be sent again.
    private static let repeatableBody = 25 << 20
    /// Bytes of a request body that are waited for before a limit is asked.
    private static let smallBody = 64 << 10

    /// The terms on which a call uses the cache; nil when it does not.
    ///
    /// - Parameter body: the body as the client wrote it; nil when it is not known as a whole.
    func terms(_ attempt: Attempt, _ admitted: Admitted, body: ByteBuffer?) -> CacheTerms? {
        guard case .on(let options) = admitted.settings.cache, admitted.inbound.isPostMethod else { return nil }
        guard let key = key(options, attempt, admitted, body) else { return nil }
        return CacheTerms(
            key: key, timeToLive: options.timeToLive, lookup: options.lookup, keepsStreams: options.keepsStreams
        )
    }

    /// Tells a lead about the answer; nil, with everybody released, when an answer like this is not kept.
    ///
    /// Kept are successful answers of JSON, text and images (data-plane §13 #10); streams as the terms say, which the
    /// lead knows.
    static func begin(_ lead: any AnswerLead, _ head: ResponseHead, _ stream: StreamKind) -> (any AnswerLead)? {
        guard (200..<300).contains(head.status), isKept(head, stream), lead.begin(head) else {
            lead.end(.failed)
            return nil
        }
        return lead
    }

    private static func isKept(_ head: ResponseHead, _ stream: StreamKind) -> Bool {
        // Where the connection's end is the answer's, nobody can tell whether it is complete.
        if head.framing == .untilClose { return false }
        if stream != .other { return true }
        // A stream in a content coding cannot be asked whether it has ended.
        guard let type = head.value(.contentType)?.lowercased(), !type.hasPrefix("text/event-stream") else {
            return false
        }
        return type.hasPrefix("text/") || type.hasPrefix("image/") || type.hasPrefix("application/json")
    }

    /// Whether something has to see the whole body, or may have to send it again.
    func wantsWhole(_ admitted: Admitted, _ framing: BodyFraming) -> Bool {
        guard admitted.settings.attempts > 1 || Self.needsBody(admitted.settings.cache) else {
            // A refusal is logged with the model that was asked for; a small body is as good as here.
            guard admitted.gateway.rateLimit > 0, case .length(let count) = framing else { return false }
            return count <= Self.smallBody
        }
        let cacheable = environment.limits.cacheableBody
        let limit = admitted.settings.attempts > 1 ? max(Self.repeatableBody, cacheable) : cacheable
        if case .length(let count) = framing, count > limit { return false }
        return true
    }

    /// Whether the terms of a call depend on its body.
    private static func needsBody(_ cache: CacheUse) -> Bool {
        guard case .on(let options) = cache else { return false }
        return options.customKey == nil
    }

    private func key(
        _ options: CacheOptions, _ attempt: Attempt, _ admitted: Admitted, _ body: ByteBuffer?
    ) -> CacheKey? {
        let memory = memory(of: attempt, admitted)
        if let known = memory?.keyless?.keyParts, options.customKey == nil, let body {
            guard body.readableBytes <= environment.limits.cacheableBody else { return nil }
            return body.withUnsafeReadableBytes { known.key(body: $0, hasher: environment.contentHasher) }
        }
        let route = attempt.route
        let parts = CacheKeyParts(
            gateway: admitted.gateway, provider: route.provider.definition.id,
            providerEpoch: route.provider.cacheEpoch, surface: attempt.surface,
            method: "POST", path: route.target.path, query: route.target.query, model: attempt.model,
            credential: attempt.credentialIdentity(admitted)
        )
        if let name = options.customKey { return parts.key(named: name, hasher: environment.contentHasher) }
        guard let body, body.readableBytes <= environment.limits.cacheableBody else { return nil }
        memory?.keyless?.keyParts = parts.remembered()
        return body.withUnsafeReadableBytes { parts.key(body: $0, hasher: environment.contentHasher) }
    }

    /// The limits of the gateway and of the stored key.
    ///
    /// - Parameter isAdmitted: whether an earlier step has passed the gateway's own limit already (data-plane §4.2).
    func limits(_ attempt: Attempt, _ admitted: Admitted, isAdmitted: Bool) -> [RateRule] {
        let memory = isAdmitted ? nil : memory(of: attempt, admitted)
        if let known = memory?.keyless?.limits { return known }
        let gateway = admitted.gateway
        var rules: [RateRule] = []
        if !isAdmitted, gateway.rateLimit > 0, gateway.rateLimitIntervalSeconds > 0 {
            rules.append(
                RateRule(
                    name: "gateway", limit: gateway.rateLimit, interval: gateway.rateLimitIntervalSeconds,
                    technique: gateway.rateLimitTechnique
                )
            )
        }
        if let rule = attempt.key?.limit { rules.append(rule) }
        memory?.keyless?.limits = rules
        return rules
    }

    /// What the connection remembers of this call, if the head says everything that there is to it.
    private func memory(of attempt: Attempt, _ admitted: Admitted) -> HeadMemory? {
        attempt.key == nil && attempt.reply == .asIs ? admitted.memory : nil
    }
}

extension Attempt {
    /// On whose behalf the call is made: the stored key, or every credential field of the request as it stands.
    func credentialIdentity(_ admitted: Admitted) -> CredentialIdentity {
        let reader: CallerIdentity.Reader = route.provider.cacheEpoch == nil ? .builtIn : .custom
        let head = admitted.inbound.head
        var sent: [UInt8] = []
        head.withBytes { bytes in
            for (position, field) in head.fields.enumerated() {
                guard admitted.providerKeyFields.contains(position) || CallerIdentity.mayTell(bytes, field, to: reader),
                    !admitted.withheldFields.contains(position)
                else { continue }
                sent.reserveCapacity(sent.count + field.name.count + field.value.count + 2)
                for byte in bytes[field.name] { sent.append(byte &- 0x41 < 26 ? byte | 0x20 : byte) }
                sent.append(0x3a)
                sent.append(contentsOf: bytes[field.value])
                sent.append(0x0a)
            }
        }
        guard let key, !sent.isEmpty else { return key.map { .stored($0.secret) } ?? Self.identity(sent) }
        return .request(Secret(Array("stored:\(key.secret)\n".utf8) + sent))
    }

    private static func identity(_ sent: [UInt8]) -> CredentialIdentity {
        sent.isEmpty ? .none : .request(Secret(sent))
    }
}
