import GatewayCore
import NIOCore
import Providers

/// Carries out calls of a few providers: writes the credential of each right before it is sent, because clocks move and
/// tokens end.
@WorkerLoop
final class DerivingClient: UpstreamClient {
    private let client: any UpstreamClient
    private let credential: DerivedCredential
    private let environment: WorkerEnvironment
    /// The body that was signed last, which each attempt of a call sends again.
    private var digested: (body: RequestBody, digest: [UInt8])?

    /// Bytes of a body that are hashed in one turn, while other requests wait.
    private static let hashedAtOnce = 2 << 20
    /// How long the others are let go on before the next part.
    private static let pause = Duration.milliseconds(1)

    init(_ client: any UpstreamClient, _ credential: DerivedCredential, _ environment: WorkerEnvironment) {
        self.client = client
        self.credential = credential
        self.environment = environment
    }

    /// - Errors: besides those of the call `.storedKeyUnavailable` with a message for the client.
    func send(_ request: UpstreamRequest, cancel: CancelHook) async throws(GatewayError) -> any UpstreamReply {
        let reply = try await client.send(try await completed(request, cancel), cancel: cancel)
        // A token that was not accepted is not used again.
        if reply.head.status == 401, case .exchanged(let exchange) = credential.provider.credential.derivation {
            environment.accessTokens.forget(name(exchange))
        }
        return reply
    }

    private func completed(
        _ request: UpstreamRequest, _ cancel: CancelHook
    ) async throws(GatewayError) -> UpstreamRequest {
        switch credential.provider.credential.derivation {
        case .none: return request
        case .signed(let signer): return try await signed(request, signer, cancel)
        case .exchanged(let exchange):
            let token = try await token(exchange, cancel)
            var request = request
            let fields = credential.provider.inject(token.reveal(), for: credential.target)
            request.head = WrittenHead(request.head).adding(fields.map { ($0.name.description, $0.value) })
            return request
        }
    }

    private func token(
        _ exchange: any TokenExchange, _ cancel: CancelHook
    ) async throws(GatewayError) -> Secret<String> {
        let call = TokenRequest(environment: environment, exchange: exchange, document: credential.document)
        return try await environment.accessTokens.token(name(exchange), cancel: cancel) {
            await call.result()
        }
    }

    private func name(_ exchange: any TokenExchange) -> AccessTokens.Name {
        var text = "\(exchange.endpoint.origin)\(exchange.endpoint.prefix)\n" + credential.document.reveal()
        return AccessTokens.Name(
            digest: text.withUTF8 { environment.digests.sha256(UnsafeRawBufferPointer($0)) }
        )
    }

    /// SHA-256 of a body: of a large one in several turns.
    private func digest(
        of body: RequestBody, _ bytes: ByteBuffer, _ cancel: CancelHook
    ) async throws(GatewayError) -> [UInt8] {
        if let digested, digested.body === body { return digested.digest }
        let digest: [UInt8]
        if bytes.readableBytes > Self.hashedAtOnce, let hasher = environment.digests.hasher() {
            var rest = bytes
            while let part = rest.readSlice(length: min(Self.hashedAtOnce, rest.readableBytes)) {
                part.withUnsafeReadableBytes { hasher.update($0) }
                guard rest.readableBytes > 0 else { break }
                await withCheckedContinuation { waiter in environment.timers.after(Self.pause) { waiter.resume() } }
                if cancel.isCancelled {
                    throw GatewayError(.providerUnreachable, origin: .client, detail: "cancelled before it was signed")
                }
            }
            digest = hasher.finish().bytes
        } else {
            digest = bytes.withUnsafeReadableBytes { environment.digests.sha256($0) }
        }
        digested = (body, digest)
        return digest
    }

    private func signed(
        _ request: UpstreamRequest, _ signer: any RequestSigner, _ cancel: CancelHook
    ) async throws(GatewayError) -> UpstreamRequest {
        guard let body = request.body.whole() else {
            throw GatewayError(.malformedRequest, origin: .client, detail: "the body to be signed is not complete")
        }
        var request = request
        var replaced = signer.replacedHeaders.map { $0.description }
        if request.framing == .chunked {
            // Its length is known, and the signer's side may insist on it.
            replaced.append("transfer-encoding")
            request.framing = .length(body.readableBytes)
        }
        let head = WrittenHead(request.head).without(replaced)
        let target = credential.target
        let signable = SignableRequest(
            method: head.method, authority: target.origin.authority, canonicalAuthority: target.canonicalAuthority,
            path: target.path, query: target.query,
            headers: head.fields.filter { !["host", "content-length"].contains($0.name.lowercased()) },
            payloadDigest: try await digest(of: request.body, body, cancel)
        )
        var added = try signer.headers(
            for: signable, with: credential.document, at: environment.clock.now, environment.digests
        ).map { ($0.name, $0.value.reveal()) }
        if replaced.last == "transfer-encoding" { added.append(("Content-Length", String(body.readableBytes))) }
        request.head = head.adding(added)
        return request
    }
}
