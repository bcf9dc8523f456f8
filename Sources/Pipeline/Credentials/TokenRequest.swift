import GatewayCore
import NIOCore
import Providers
import WireFormats

/// Asks a token endpoint for an access token.
@WorkerLoop
struct TokenRequest {
    let environment: WorkerEnvironment
    let exchange: any TokenExchange
    let document: Secret<String>

    /// How long an exchange may take in all · assumed.
    static let patience = Duration.seconds(10)
    /// Bytes of the longest answer.
    private static let limit = 64 << 10

    func result() async -> Result<AccessToken, GatewayError> {
        do throws(GatewayError) { return .success(try await token()) } catch { return .failure(error) }
    }

    private func token() async throws(GatewayError) -> AccessToken {
        let assertion = try exchange.assertion(of: document, at: environment.clock.now)
        let signature: [UInt8]
        do {
            signature = try environment.assertions.rs256(
                Array(assertion.signingInput.utf8), key: assertion.privateKey
            )
        } catch {
            throw Self.unusable(error)
        }
        let request = self.request(exchange.form(assertion, signature: signature))
        let cancel = CancelHook()
        let timer = environment.timers.after(Self.patience) { cancel.cancel() }
        defer { timer.cancel() }
        let answer = CollectedAnswer(environment: environment, limit: Self.limit)
        defer { answer.release() }
        let status: Int
        do throws(GatewayError) {
            let reply = try await environment.upstream.send(request, cancel: cancel)
            status = reply.head.status
            try await answer.read(reply, cancel)
        } catch {
            throw GatewayError(
                .storedKeyUnavailable, origin: .provider, retry: .always,
                detail: "the token endpoint gave no answer: "
                    + (cancel.isCancelled ? "nothing within \(Self.patience)" : error.detail),
                message:
                    "The service account could not be exchanged for an access token (the token endpoint gave no answer)"
            )
        }
        let result: Result<AccessToken, GatewayError> = answer.bytes.withUnsafeReadableBytes { body in
            do throws(GatewayError) {
                return .success(try exchange.token(status: status, body))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    private func request(_ form: ByteBuffer) -> UpstreamRequest {
        let endpoint = exchange.endpoint
        var head = ByteBuffer()
        HeadWriter.requestLine("POST", endpoint.prefix.isEmpty ? "/" : endpoint.prefix, into: &head)
        HeadWriter.field("Host", endpoint.origin.authority, into: &head)
        HeadWriter.field("Accept", "application/json", into: &head)
        HeadWriter.field("Accept-Encoding", "identity", into: &head)
        HeadWriter.field("Content-Type", "application/x-www-form-urlencoded", into: &head)
        HeadWriter.field("Content-Length", number: form.readableBytes, into: &head)
        HeadWriter.endOfHead(into: &head)
        return UpstreamRequest(
            origin: endpoint.origin, head: head, framing: .length(form.readableBytes),
            body: RequestBody(complete: form), connectTimeout: .seconds(5), idleTimeout: Self.patience
        )
    }

    private static func unusable(_ failure: AssertionSigningFailure) -> GatewayError {
        let reason =
            switch failure {
            case .unreadableKey: "`private_key` is no PEM of a private key"
            case .unsuitableKey: "`private_key` must be an RSA key of 2048 to 4096 bits"
            case .operationFailed: "the signature failed"
            }
        return GatewayError(
            .storedKeyUnavailable, origin: failure == .operationFailed ? .gateway : .client, detail: reason,
            message: "The service account cannot be used: " + reason
        )
    }
}
