package import GatewayCore
package import NIOCore
import WireFormats

/// The one place that turns a `GatewayError` into status, code and bytes for a client of the data plane.
package struct ErrorBody: Sendable {
    package var status: Int
    /// The gateway's own code, as in `error[0].code`.
    package var code: Int
    package var message: String

    package static let contentType: StaticString = "application/json"

    /// Status, code and message of an error (data-plane §10.2).
    package init(_ error: GatewayError) {
        let standard: String
        (status, code, standard) =
            switch error.kind {
            case .gatewayNotFound: (400, 2001, "Please configure AI Gateway in the Cloudflare dashboard")
            case .unparsableModelOutput: (500, 2002, "Failed to parse model output")
            case .rateLimited: (429, 2003, "Rate limited")
            case .providerUnreachable: (400, 2005, "Failed to get response from provider")
            case .invalidProvider: (400, 2008, "Invalid provider")
            case .unauthorized: (401, 2009, "Unauthorized")
            case .invalidRequestBody: (400, 2010, "Invalid request body")
            case .requestTimedOut: (408, 2014, "Request timed out")
            case .badChatCompletion: (400, 2019, "Chat completion bad format")
            case .storedKeyUnavailable: (400, 2040, "Configured BYOK credentials are unavailable")
            case .limitStateUnavailable: (503, 2098, "Limit state unavailable")
            case .internalFailure: (500, 2099, "Internal error")
            case .methodNotAllowed: (405, 2010, "Method not allowed")
            case .noSuchPath: (404, 2010, "Not found")
            case .bodyTooLarge: (413, 2010, "Request body too large")
            case .headTooLarge: (431, 2010, "Request header fields too large")
            case .malformedRequest: (400, 2010, "Malformed HTTP request")
            case .notReady: (503, 2099, "Gateway is not ready")
            }
        message = error.message ?? standard
    }

    /// The envelope of data-plane §10.1 · observed, exact: nine members, `error` is an array.
    package var json: ByteBuffer {
        let text = JSONPatch.quoted(message)
        var buffer = ByteBuffer()
        buffer.writeString(
            """
            {"success":false,"result":[],"messages":[],"error":[{"code":\(code),"message":\(text)}],\
            "name":"AiGatewayError","httpCode":\(status),"internalCode":\(code),"message":\(text),"description":\(text)}
            """
        )
        return buffer
    }
}
