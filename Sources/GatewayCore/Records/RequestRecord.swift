package import NIOCore

/// One executed step of a request, or a failed try of one, settled: what becomes one row of the log.
package struct RequestRecord: Sendable, Equatable {
    package var id: LogID
    package var eventID: String
    package var account: AccountID
    package var gateway: GatewayID
    /// When the request's head was complete.
    package var createdAt: Instant
    package var provider: ProviderID
    /// The model the provider reported, else the one asked for; empty when neither is known.
    package var model: String
    /// `chat`, `completion`, `embeddings`, `image`, `audio`, … or nil.
    package var modelType: String?
    /// Path below the provider segment, as the client sent it, without query.
    package var path: String
    package var method: String
    /// `native`, `compat` or `universal`.
    package var requestType: String
    package var requestContentType: String?
    package var responseContentType: String?
    package var status: Int
    package var success: Bool
    package var cached: Bool
    package var step: Int
    /// From the complete request head to the last byte handed to the client's socket.
    package var duration: Duration
    /// To the first byte of the provider's answer; nil when there was none.
    package var firstByte: Duration?
    package var usage: Usage
    package var cost: PicoUSD?
    package var customCost: Bool
    /// A JSON object in text form, as the client gave it after the rules of data-plane §7.2.
    package var metadata: String?
    package var requestSize: Int
    package var responseSize: Int
    /// The stored part of each body; nil when payloads are not kept.
    package var requestBody: ByteBuffer?
    package var responseBody: ByteBuffer?
    package var requestBodyComplete: Bool
    package var responseBodyComplete: Bool
    package var streamed: Bool
    /// Whether the request came with a valid gateway credential.
    package var authenticated: Bool
    package var token: TokenID?
    /// The alias of the stored key that was used.
    package var keyAlias: KeyAlias?
    package var userAgent: String?
    /// The gateway's own error code (2001 …) when it refused or failed the request.
    package var errorCode: Int?
    package var feedback: Int?
    /// Names of the members of the request that the provider was not told of, with commas between them.
    package var droppedMembers: String?
    /// The caller's trace, which the request is to be part of: 32 hexadecimal digits.
    package var traceID: String?
    /// The span of that trace that made the request: 16 hexadecimal digits.
    package var parentSpanID: String?
    /// Whether it is only counted in reports: no entry of the log is made of it (data-plane §7.1).
    package var unlogged: Bool
    /// Whether it is a try that failed and that another one of the same step followed: an entry of the log that reports do
    /// not count (control-plane §15.2).
    package var retried: Bool

    package init(id: LogID, eventID: String, account: AccountID, gateway: GatewayID, createdAt: Instant) {
        self.id = id
        self.eventID = eventID
        self.account = account
        self.gateway = gateway
        self.createdAt = createdAt
        provider = ""
        model = ""
        path = ""
        method = "POST"
        requestType = "native"
        status = 0
        success = false
        cached = false
        step = 0
        duration = .zero
        usage = Usage()
        customCost = false
        requestSize = 0
        responseSize = 0
        requestBodyComplete = true
        responseBodyComplete = true
        streamed = false
        authenticated = false
        unlogged = false
        retried = false
    }
}
