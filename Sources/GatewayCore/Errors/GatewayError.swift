/// Everything that makes the gateway itself refuse or fail a request.
///
/// A provider's own error response is not one of these: it is an answer and is relayed as it came.
package struct GatewayError: Error, Sendable {
    /// What the client is told.
    ///
    /// Status, code and wording are chosen in `CloudflareWire/ErrorBody.swift`.
    package enum Kind: Hashable, Sendable {
        /// 2001: the addressed gateway does not exist.
        case gatewayNotFound
        /// 2002: a provider's answer could not be converted.
        case unparsableModelOutput
        /// 2003: the gateway's rate limit is used up.
        case rateLimited
        /// 2005: the provider could not be reached or gave no usable answer.
        case providerUnreachable
        /// 2008: unknown provider segment, model prefix or compat path.
        case invalidProvider
        /// 2009: no valid gateway credential, or an account that is not ours.
        case unauthorized
        /// 2010: the request body cannot be used.
        case invalidRequestBody
        /// 2014: the request timeout passed before the provider answered.
        case requestTimedOut
        /// 2019: a compat request without a usable `model`.
        case badChatCompletion
        /// 2040: stored provider credentials were asked for and cannot be had.
        case storedKeyUnavailable
        /// 2098: a limit's state cannot be checked and the operator chose to refuse.
        case limitStateUnavailable
        /// 2099: our own fault.
        case internalFailure
        /// 405 with code 2010: a method that the endpoint does not have.
        case methodNotAllowed
        /// 404: a path outside the data plane.
        case noSuchPath
        /// 413: the body exceeds `data.max_request_body`.
        case bodyTooLarge
        /// 431: the head exceeds the limit of data-plane §12.
        case headTooLarge
        /// 400: bytes that are not an acceptable HTTP/1.1 request.
        case malformedRequest
        /// 503: no configuration has been loaded yet, or memory for bodies is used up.
        case notReady
    }

    /// Who caused it.
    package enum Origin: Hashable, Sendable { case client, gateway, provider, store }

    /// Whether another attempt may succeed where this one failed.
    package enum Retry: Hashable, Sendable {
        case never
        /// Only when the failed attempt used a kept-alive connection that may have been stale.
        case ifConnectionWasReused
        case always
    }

    package var kind: Kind
    package var origin: Origin
    package var retry: Retry
    /// For the process log; never on the wire.
    package var detail: String
    /// Overrides the standard message on the wire where the specification names the parts of it.
    package var message: String?
    /// When the same request may be admitted, where that is known.
    package var retryAfter: Duration?

    package init(
        _ kind: Kind, origin: Origin, retry: Retry = .never, detail: String = "", message: String? = nil,
        retryAfter: Duration? = nil
    ) {
        self.kind = kind
        self.origin = origin
        self.retry = retry
        self.detail = detail
        self.message = message
        self.retryAfter = retryAfter
    }
}
