import GatewayCore
import NIOCore
import Testing
import WireFormats

@testable import Providers

@Suite("Service accounts")
struct ServiceAccountExchangeTests {
    private let exchange = ServiceAccountExchange()
    private let account = """
        {
          "type": "service_account", "project_id": "p-1", "private_key_id": "k-1",
          "private_key": "-----BEGIN PRIVATE KEY-----\\nAAAA\\n-----END PRIVATE KEY-----\\n",
          "client_email": "bot@p-1.iam.gserviceaccount.com", "token_uri": "https://evil.example/token",
          "region": "us-central1"
        }
        """

    private func token(_ status: Int, _ body: String) throws(GatewayError) -> AccessToken {
        var body = body
        let result: Result<AccessToken, GatewayError> = body.withUTF8 { bytes in
            do throws(GatewayError) {
                return .success(try exchange.token(status: status, UnsafeRawBufferPointer(bytes)))
            } catch {
                return .failure(error)
            }
        }
        return try result.get()
    }

    @Test("JSON is a service account, as it is and in base64; other keys are sent as they are")
    func documents() {
        #expect(exchange.document(in: Secret(account))?.reveal() == account)
        #expect(exchange.document(in: Secret("\n " + account)) != nil)
        let encoded = Base64Text.encode(Array(account.utf8))
        #expect(exchange.document(in: Secret(encoded))?.reveal() == account)
        #expect(exchange.document(in: Secret(Base64Text.encode(Array(account.utf8), .url)))?.reveal() == account)
        for key in ["", "ya29.a0AfH6", "AIzaSyA", "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2ln", "ey", "ey%%%%"] {
            #expect(exchange.document(in: Secret(key)) == nil, "\(key)")
        }
    }

    @Test("the assertion names the account, Google's own address and an hour, whatever address the account names")
    func assertion() throws {
        let assertion = try exchange.assertion(of: Secret(account), at: Instant(milliseconds: 1_795_000_000_999))
        let parts = assertion.signingInput.split(separator: ".")
        try #require(parts.count == 2)
        #expect(Base64Text.decode(parts[0]) == #"{"alg":"RS256","typ":"JWT","kid":"k-1"}"#)
        #expect(
            Base64Text.decode(parts[1])
                == #"{"iss":"bot@p-1.iam.gserviceaccount.com","sub":"bot@p-1.iam.gserviceaccount.com","#
                + #""aud":"https://oauth2.googleapis.com/token","#
                + #""scope":"https://www.googleapis.com/auth/cloud-platform","iat":1795000000,"exp":1795003600}"#
        )
        #expect(
            assertion.privateKey.reveal() == "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
        #expect(
            String(buffer: exchange.form(assertion, signature: [0xfb, 0xff]))
                == "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion="
                + assertion.signingInput + "._8_".replacing("_8_", with: "-_8")
        )
    }

    @Test("the operator's address is the audience as well")
    func ownEndpoint() throws {
        var exchange = exchange
        exchange.endpoint = try #require(UpstreamRoot("http://127.0.0.1:9/oauth/token"))
        let assertion = try exchange.assertion(of: Secret(account), at: Instant(milliseconds: 0))
        let claims = try #require(Base64Text.decode(assertion.signingInput.split(separator: ".")[1]))
        #expect(claims.contains(#""aud":"http://127.0.0.1:9/oauth/token""#))
    }

    @Test(
        "an account that lacks something is refused with a name for it and without a part of it",
        arguments: [
            (#"{"client_email":"a@b"}"#, "`private_key` is missing"),
            (#"{"private_key":"canary","client_email":""}"#, "`client_email` is missing"),
            (#"{"private_key":"canary","#, "it is no JSON object"),
            (#"{"client_email":7,"private_key":"canary"}"#, "`client_email` is missing"),
        ])
    func incomplete(document: String, reason: String) {
        let error = #expect(throws: GatewayError.self) {
            _ = try exchange.assertion(of: Secret(document), at: Instant(milliseconds: 0))
        }
        #expect(error?.kind == .storedKeyUnavailable)
        #expect(error?.message == "The service account cannot be used: " + reason)
        #expect(error.map { String(describing: $0) }?.contains("canary") == false)
    }

    @Test("a token lives as long as the answer says, within reason")
    func lifetimes() throws {
        let token = try token(200, #"{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}"#)
        #expect(token.value.reveal() == "ya29.x" && token.lifetime == .seconds(3599))
        #expect(try self.token(200, #"{"access_token":"t"}"#).lifetime == .seconds(3600))
        #expect(try self.token(200, #"{"access_token":"t","expires_in":-5}"#).lifetime == .zero)
        #expect(try self.token(200, #"{"access_token":"t","expires_in":999999999}"#).lifetime == .seconds(43200))
    }

    @Test("refusals name Google's reason; only passing ones are worth another attempt")
    func refusals() {
        func failure(_ status: Int, _ body: String) -> GatewayError? {
            do throws(GatewayError) {
                _ = try token(status, body)
                return nil
            } catch {
                return error
            }
        }
        let refused = failure(400, #"{"error":"invalid_grant","error_description":"Invalid JWT Signature."}"#)
        #expect(
            refused?.message
                == "The service account could not be exchanged for an access token "
                + "(status 400: invalid_grant: Invalid JWT Signature.)"
        )
        #expect(refused?.retry == .never)
        #expect(failure(503, "<html>").map { $0.retry } == .always)
        #expect(failure(429, "{}").map { $0.retry } == .always)
        for body in [
            "", "[]", "{}", #"{"access_token":""}"#, #"{"access_token":"a b"}"#, #"{"access_token":"a\r\nb"}"#,
        ] {
            #expect(failure(200, body)?.kind == .storedKeyUnavailable, "\(body)")
        }
    }

    @Test("the registry takes the operator's address for providers that exchange keys, and for no other")
    func setting() throws {
        var override = WorkerSettings.ProviderOverride(provider: "google-vertex-ai")
        override.tokenURL = "http://127.0.0.1:9/token"
        let provider = try #require(
            try ProviderRegistry.builtIn.applying([override]).provider(segment: "google-vertex-ai"))
        guard case .exchanged(let exchange) = provider.credential.derivation else {
            Issue.record("Vertex's keys are not exchanged")
            return
        }
        #expect(exchange.endpoint == UpstreamRoot("http://127.0.0.1:9/token"))
        override.provider = "openai"
        #expect(throws: GatewayError.self) { _ = try ProviderRegistry.builtIn.applying([override]) }
    }
}
