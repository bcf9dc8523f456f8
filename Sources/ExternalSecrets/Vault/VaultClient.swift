import Foundation
import GatewayCore

/// Reads secrets of a HashiCorp Vault or OpenBao server: KV engine, version 2.
///
/// - Source: Vault's HTTP API, `GET /v1/{mount}/data/{path}` · documented.
package struct VaultClient: Sendable {
    private static let maximumValue = 65_536

    private let address: HTTPAddress
    private let tokenFile: String
    private let namespace: String?
    private let fetcher: HTTPFetcher

    /// What keeps a client from being made.
    package struct SetupFailure: Error, Sendable {
        /// One sentence for the operator.
        package var reason: String
    }

    /// - Parameters:
    ///   - address: `http` or `https`, host, and an optional port and prefix.
    ///   - tokenFile: read at each call, so that an agent may renew it.
    ///   - namespace: of Vault Enterprise.
    ///   - rootsFile: PEM file with roots that are trusted beside the system's.
    package init(
        address: String, tokenFile: String, namespace: String? = nil, rootsFile: String? = nil,
        timeout: Duration = .seconds(5)
    ) throws(SetupFailure) {
        guard let parsed = HTTPAddress(address) else { throw SetupFailure(reason: "secrets.vault.address is no URL") }
        self.address = parsed
        self.tokenFile = tokenFile
        self.namespace = namespace
        do {
            fetcher = try HTTPFetcher(
                tls: parsed.scheme == .https ? .verified(additionalRoots: rootsFile) : .none, timeout: timeout
            )
        } catch {
            throw SetupFailure(reason: "egress.ca_file cannot be used: \(error)")
        }
    }

    /// The text in one field of a secret's newest version.
    func value(mount: String, path: String, field: String) async throws(ExternalSecretError) -> Secret<[UInt8]> {
        let token: Secret<[UInt8]>
        do throws(ExternalSecretError) { token = try SecretFile.read(tokenFile) } catch {
            throw .unavailable("the token file: \(error)")
        }
        guard token.reveal().allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw .unavailable("the token file holds more than a token")
        }
        var headers = [("X-Vault-Request", "true"), ("X-Vault-Token", String(decoding: token.reveal(), as: UTF8.self))]
        if let namespace { headers.append(("X-Vault-Namespace", namespace)) }
        let target = address.prefix + "/v1/" + Self.encoded(mount) + "/data/" + Self.encoded(path)
        let answer: HTTPFetcher.Answer
        do throws(HTTPFetcher.Failure) {
            answer = try await fetcher.get(target, from: address, headers: headers)
        } catch {
            throw .unavailable(error.reason)
        }
        return try Self.value(of: field, in: answer)
    }

    /// What an answer says about a field.
    static func value(of field: String, in answer: HTTPFetcher.Answer) throws(ExternalSecretError) -> Secret<[UInt8]> {
        struct Reply: Decodable {
            struct Version: Decodable { var data: [String: Field]? }
            var data: Version?
        }
        // Fields may hold anything; only texts are values.
        struct Field: Decodable {
            var text: String?
            init(from decoder: any Decoder) throws {
                text = try? decoder.singleValueContainer().decode(String.self)
            }
        }
        switch answer.status {
        case 200: break
        // Deleted versions answer 404 with metadata, unknown paths without.
        case 404: throw .gone("the server has no such secret")
        case 403: throw .unavailable("the server refuses the token (403)")
        default: throw .unavailable("the server answers \(answer.status)")
        }
        guard let reply = try? JSONDecoder().decode(Reply.self, from: Data(answer.body)) else {
            throw .unavailable("the server's answer is not that of a KV store of version 2")
        }
        guard let fields = reply.data?.data else { throw .gone("the secret was deleted") }
        guard let found = fields[field] else { throw .gone("the secret has no such field") }
        guard let text = found.text, !text.isEmpty, text.utf8.count <= maximumValue else {
            throw .unavailable("the field is not a text of 1 to 65536 bytes")
        }
        return Secret(Array(text.utf8))
    }

    private static func encoded(_ path: String) -> String {
        let digits = Array("0123456789ABCDEF".utf8)
        var out: [UInt8] = []
        for byte in path.utf8 {
            switch byte {
            case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"), UInt8(ascii: "/"):
                out.append(byte)
            default: out += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}
