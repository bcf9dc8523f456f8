import GatewayCore

/// How failures of a provider call are told to the pipeline.
extension GatewayError {
    init(_ failure: ConnectFailure) {
        switch failure.step {
        case .resolve, .network, .tls, .timeout:
            self.init(.providerUnreachable, origin: .provider, retry: .always, detail: failure.reason)
        case .egress:
            self.init(.providerUnreachable, origin: .gateway, detail: failure.reason)
        case .limit:
            self.init(.providerUnreachable, origin: .gateway, retry: .always, detail: failure.reason)
        case .cancelled:
            self.init(.providerUnreachable, origin: .client, detail: failure.reason)
        }
    }

    /// The provider gave no usable answer.
    static func providerBroke(_ detail: String, retry: Retry) -> GatewayError {
        GatewayError(.providerUnreachable, origin: .provider, retry: retry, detail: detail)
    }

    /// The client's body is not what its head announced.
    static func clientBroke(_ detail: String) -> GatewayError {
        GatewayError(.malformedRequest, origin: .client, detail: detail)
    }
}
