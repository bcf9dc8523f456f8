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
        case .signed(let signer): return try signed(request, signer)
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

    private func signed(
        _ request: UpstreamRequest, _ signer: any RequestSigner
    ) throws(GatewayError) -> UpstreamRequest {
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
            payloadDigest: body.withUnsafeReadableBytes { environment.digests.sha256($0) }
        )
        var added = try signer.headers(
            for: signable, with: credential.document, at: environment.clock.now, environment.digests
        ).map { ($0.name, $0.value.reveal()) }
        if replaced.last == "transfer-encoding" { added.append(("Content-Length", String(body.readableBytes))) }
        request.head = head.adding(added)
        return request
    }
}
