import ExternalSecrets
import GatewayCore
import NIOCore
import Outbound
import PostgresStore
import SecretVault

/// One OpenTelemetry receiver of a gateway, as its `otel` member describes it (control-plane §3.3 · documented).
struct OTELExporter: Sendable {
    let url: OutboundURL
    let headers: [(name: String, value: String)]
    /// Name of the secret that is the `Authorization`; nil when there is none.
    let authorization: String?
    let form: SpanDocument.Form

    /// Reads a stored member.
    init(_ text: String, egress: EgressRule) throws(DeliveryFailure) {
        guard let document = try? JSONValue(parsing: text), let address = document["url"]?.text else {
            throw .hopeless("the exporter's settings cannot be read")
        }
        do throws(OutboundURL.Refusal) {
            url = try OutboundURL(address, egress: egress)
        } catch {
            throw .later(error.message)
        }
        headers = (document["headers"]?.members ?? []).compactMap { member in
            member.value.text.map { (member.name, $0) }
        }
        guard headers.allSatisfy({ HeaderField.isSound($0.name, $0.value) }) else {
            throw .later("a header of the exporter is not one that can be sent")
        }
        authorization = document["authorization"]?.text.flatMap { $0.isEmpty ? nil : $0 }
        form = document["content_type"]?.text.flatMap(SpanDocument.Form.init(rawValue:)) ?? .json
    }

    /// Sends the spans of a batch.
    func send(
        _ requests: [ExportedRequest], of account: AccountID, secrets: ExportSecrets, client: OutboundClient
    ) async throws(DeliveryFailure) {
        var fields = headers.filter { !["content-type", "content-length", "host"].contains($0.name.lowercased()) }
        if let authorization {
            fields.removeAll { $0.name.lowercased() == "authorization" }
            let value = try await secrets.value(named: authorization, of: account)
            guard HeaderField.isSound("authorization", value.reveal()) else {
                throw .later("the secret \(authorization) is no header value")
            }
            fields.append(("authorization", value.reveal()))
        }
        fields.append(("content-type", form.contentType))
        let spans = requests.map { SpanDocument.span($0, of: account) }
        try await client.deliver(
            "POST", to: url, headers: fields, body: SpanDocument.encode(spans, as: form))
    }
}

/// Why something was not delivered.
enum DeliveryFailure: Error, Sendable, Equatable {
    /// The receiver, or a setting, may be right another time.
    case later(String)
    /// Nobody answers at the address.
    case unreachable(String)
    /// The receiver will not take this, however often it is sent.
    case refused(String)
    /// Nothing can be sent to this receiver at all.
    case hopeless(String)

    var reason: String {
        switch self {
        case .later(let reason), .unreachable(let reason), .refused(let reason), .hopeless(let reason): reason
        }
    }
}

/// What may stand in a header field.
enum HeaderField {
    static func isSound(_ name: String, _ value: String) -> Bool {
        !name.isEmpty
            && name.utf8.allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
                    || "!#$%&'*+-.^_`|~".utf8.contains(byte)
            } && value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }
    }
}

extension OutboundClient {
    /// Sends a document that counts as taken when the answer is 2xx.
    ///
    /// - Source: OTLP/HTTP, "Failures" · documented: 400 is final; of the others some may pass when a setting was
    ///   changed, so they are tried again too.
    func deliver(
        _ method: String, to url: OutboundURL, headers: [(name: String, value: String)], body: ByteBuffer
    ) async throws(DeliveryFailure) {
        let answer: Answer
        do throws(Failure) {
            answer = try await send(method, to: url, headers: headers, body: body)
        } catch {
            throw .unreachable(error.reason)
        }
        switch answer.status {
        case 200..<300: return
        case 400, 413, 422: throw .refused("the receiver answers \(answer.status)")
        default: throw .later("the receiver answers \(answer.status)")
        }
    }
}
