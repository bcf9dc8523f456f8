import Foundation
import GatewayCore
import PostgresStore
import SecretVault

/// Settled requests as lines of JSON, the content of one pushed file (control-plane §17).
///
/// Metadata and bodies are encrypted for the gateway's public key, when it has one. Where that key is unusable they are
/// left out: what was to be encrypted never leaves in the clear.
struct LogpushFile: Sendable {
    let job: Int
    /// Requests with more bytes of bodies and metadata are not pushed.
    let rowLimit: Int
    private(set) var lines: [UInt8] = []
    private(set) var rows = 0
    /// What the operator should know although it was pushed.
    private(set) var problem: String?
    private(set) var first: Instant?
    private(set) var last: Instant?
    /// Tells files of one second apart; the same for the same requests.
    private(set) var identity = ""

    init(job: Int, rowLimit: Int) {
        self.job = job
        self.rowLimit = rowLimit
    }

    /// Adds a request, unless it is too large.
    mutating func add(_ request: ExportedRequest) throws(DeliveryFailure) {
        identity += request.id
        guard request.storedBytes + (request.metadata?.utf8.count ?? 0) <= rowLimit else { return }
        let line = try row(request)
        lines += line.bytes
        lines.append(0x0a)
        rows += 1
        first = min(first ?? request.createdAt, request.createdAt)
        last = max(last ?? request.createdAt, request.createdAt)
    }

    private mutating func row(_ request: ExportedRequest) throws(DeliveryFailure) -> JSONValue {
        let parts: [(name: String, bytes: [UInt8]?)] = [
            ("Metadata", request.metadata.map { Array($0.utf8) }), ("RequestBody", request.request),
            ("ResponseBody", request.response),
        ]
        var encryption: PayloadEncryption?
        var isHidden = false
        if let key = request.publicKey, !key.isEmpty {
            do throws(VaultError) {
                encryption = try PayloadEncryption(publicKey: key)
            } catch {
                isHidden = true
                problem =
                    "logpush_public_key of gateway \(request.gateway) is no RSA public key in PEM: "
                    + "metadata and bodies were left out"
            }
        }
        var members: [JSONValue.Member] = [
            .init("LogID", .string(request.id)), .init("EventID", .string(request.eventID)),
            .init("Timestamp", .string(Timestamp.text(request.createdAt))), .init("Gateway", .string(request.gateway)),
            .init("Provider", .string(request.provider)), .init("Model", .string(request.model)),
            .init("Endpoint", .string(request.path)), .init("Method", .string(request.method)),
            .init("RequestType", .string(request.requestType)), .init("StatusCode", JSONValue(request.status)),
            .init("Success", .bool(request.success)), .init("Cached", .bool(request.cached)),
            .init("RateLimited", .bool(request.errorCode == 2003)), .init("Step", JSONValue(request.step)),
            .init("DurationMs", JSONValue(request.durationMicroseconds / 1000)),
            .init("TokensIn", JSONValue(request.tokensIn)), .init("TokensOut", JSONValue(request.tokensOut)),
            .init("Cost", request.cost.map { .number($0) } ?? .null), .init("ErrorCode", JSONValue(request.errorCode)),
            .init("KeyAlias", JSONValue(request.keyAlias)), .init("UserAgent", JSONValue(request.userAgent)),
        ]
        for part in parts {
            guard let bytes = part.bytes, !isHidden else {
                members.append(.init(part.name, .null))
                continue
            }
            guard let encryption else {
                members.append(.init(part.name, .string(String(decoding: bytes, as: UTF8.self))))
                continue
            }
            do throws(VaultError) {
                let sealed = try encryption.seal(bytes)
                members.append(
                    .init(
                        part.name,
                        [
                            "key": .string(Self.base64(sealed.wrappedKey)), "iv": .string(Self.base64(sealed.nonce)),
                            "data": .string(Self.base64(sealed.ciphertext)),
                        ]))
            } catch {
                throw .later("a log could not be encrypted")
            }
        }
        return .object(members)
    }

    private static func base64(_ bytes: [UInt8]) -> String { Data(bytes).base64EncodedString() }

    /// `20260418T000210Z_20260418T000213Z_a3cfe972.log.gz`.
    var name: String {
        let digest = Hexadecimal.text(of: Digest.sha256("\(job) \(identity)").prefix(4))
        return "\(Self.compact(first))_\(Self.compact(last))_\(digest).log.gz"
    }

    /// `20260418`, of the first request.
    var day: String { String(Self.compact(first).prefix(8)) }

    static func compact(_ instant: Instant?) -> String {
        guard let instant else { return "" }
        return Timestamp.text(instant).filter { $0 != "-" && $0 != ":" }.prefix(15) + "Z"
    }
}
