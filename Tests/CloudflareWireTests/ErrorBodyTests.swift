import CloudflareWire
import GatewayCore
import NIOCore
import Testing

@Suite("Error bodies")
struct ErrorBodyTests {
    @Test("have all nine members in the observed order")
    func golden() {
        let body = ErrorBody(GatewayError(.unauthorized, origin: .client))
        #expect(body.status == 401)
        #expect(
            String(buffer: body.json)
                == #"{"success":false,"result":[],"messages":[],"error":[{"code":2009,"message":"Unauthorized"}],"#
                + #""name":"AiGatewayError","httpCode":401,"internalCode":2009,"#
                + #""message":"Unauthorized","description":"Unauthorized"}"#
        )
    }

    @Test(
        "have the documented status, code and message",
        arguments: [
            (.gatewayNotFound, 400, 2001, "Please configure AI Gateway in the Cloudflare dashboard"),
            (.unparsableModelOutput, 500, 2002, "Failed to parse model output"),
            (.rateLimited, 429, 2003, "Rate limited"),
            (.providerUnreachable, 400, 2005, "Failed to get response from provider"),
            (.invalidProvider, 400, 2008, "Invalid provider"), (.unauthorized, 401, 2009, "Unauthorized"),
            (.requestTimedOut, 408, 2014, "Request timed out"),
            (.badChatCompletion, 400, 2019, "Chat completion bad format"),
            (.storedKeyUnavailable, 400, 2040, "Configured BYOK credentials are unavailable"),
            (.limitStateUnavailable, 503, 2098, "Limit state unavailable"),
            (.internalFailure, 500, 2099, "Internal error"),
        ] as [(GatewayError.Kind, Int, Int, String)])
    func table(kind: GatewayError.Kind, status: Int, code: Int, message: String) {
        let body = ErrorBody(GatewayError(kind, origin: .gateway))
        #expect(body.status == status && body.code == code && body.message == message)
    }

    @Test("never carry the detail that is meant for the process log, and escape messages")
    func detail() {
        let error = GatewayError(.storedKeyUnavailable, origin: .client, detail: "secret-detail", message: "a \"b\"\n")
        let text = String(buffer: ErrorBody(error).json)
        #expect(!text.contains("secret-detail"))
        #expect(text.contains(#""message":"a \"b\"\n""#))
    }
}
