package import GatewayCore
import NIOCore
import Outbound
import PostgresStore
import SecretVault

/// Where a job's files go: `https://host/path?header_Authorization=…` or
/// `s3://bucket/path?endpoint=…&region=…&access-key-id=…&secret-access-key=…`.
///
/// - Source: Cloudflare Logpush, "Enable destinations" · documented: both forms, and `{DATE}` in the path.
package struct LogpushDestination: Sendable {
    /// Why a text is no destination.
    package struct Refusal: Error, Sendable, Equatable { package var message: String }

    private enum Place: Sendable {
        case http(OutboundURL, headers: [(name: String, value: String)])
        case bucket(S3Bucket)
    }

    private let place: Place

    /// Reads a destination; `message` of what is thrown repeats nothing of it.
    package init(_ text: String, egress: EgressRule) throws(Refusal) {
        guard text.utf8.count <= 4096 else { throw Refusal(message: "destination_conf is too long") }
        let parts = text.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let fields = Self.fields(parts.count > 1 ? String(parts[1]) : "")
        if text.hasPrefix("s3://") {
            place = .bucket(try S3Bucket(path: String(parts[0].dropFirst(5)), fields: fields, egress: egress))
            return
        }
        var headers: [(name: String, value: String)] = []
        var kept: [String] = []
        for field in fields {
            if field.name.hasPrefix("header_") {
                let name = String(field.name.dropFirst(7))
                guard HeaderField.isSound(name, field.value) else {
                    throw Refusal(message: "destination_conf has a header that cannot be sent")
                }
                headers.append((name, field.value))
            } else {
                kept.append(field.raw)
            }
        }
        do throws(OutboundURL.Refusal) {
            let url = String(parts[0]) + (kept.isEmpty ? "" : "?" + kept.joined(separator: "&"))
            // Braces of {DATE} are no part of a URL.
            _ = try OutboundURL(url.replacing("{DATE}", with: "20260101"), egress: egress)
            place = .http(
                try OutboundURL(url.replacing("{DATE}", with: Self.dateMark), egress: egress), headers: headers)
        } catch {
            throw Refusal(message: "destination_conf: \(error.message); it must be an https:// or an s3:// address")
        }
    }

    /// Opens a stored destination.
    init(
        sealed envelope: [UInt8], of account: AccountID, vault: Vault, egress: EgressRule
    ) throws(DeliveryFailure) {
        guard let value = try? vault.open(envelope, account: account, secretID: LogpushSealing.context) else {
            throw .later("the destination cannot be opened with this master key")
        }
        do throws(Refusal) {
            try self.init(String(decoding: value.reveal(), as: UTF8.self), egress: egress)
        } catch {
            throw .later(error.message)
        }
    }

    /// Stands for `{DATE}` while the address is kept.
    static let dateMark = "%7BDATE%7D"

    /// Sends a file; one without rows is not sent.
    func store(_ file: LogpushFile, client: OutboundClient, now: Instant) async throws(DeliveryFailure) {
        if file.rows == 0 { return }
        guard let packed = Gzip.pack(file.lines) else { throw .later("a file could not be compressed") }
        let body = ByteBuffer(bytes: packed)
        switch place {
        case .http(var url, let headers):
            url.path = url.path.replacing(Self.dateMark, with: file.day)
            var fields = headers.filter { $0.name.lowercased() != "content-length" }
            fields += [("content-encoding", "gzip"), ("content-type", "application/x-ndjson")]
            try await client.deliver("POST", to: url, headers: fields, body: body)
        case .bucket(let bucket):
            let (url, headers) = try bucket.request(storing: file.name, day: file.day, packed, now: now)
            try await client.deliver("PUT", to: url, headers: headers, body: body)
        }
    }

    /// What may be shown: everything before the query.
    package static func preview(of text: String) -> String { String(text.prefix { $0 != "?" }) }

    private static func fields(_ query: String) -> [(name: String, value: String, raw: String)] {
        query.split(separator: "&").map { pair in
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            return (decoded(parts[0]), parts.count > 1 ? decoded(parts[1]) : "", String(pair))
        }
    }

    private static func decoded(_ text: Substring) -> String {
        var out: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "%"), rest.count >= 2,
                let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            {
                out.append(value)
                rest = rest.dropFirst(2)
            } else {
                out.append(byte)
            }
        }
        return String(decoding: out, as: UTF8.self)
    }
}

/// What destinations are sealed for.
package enum LogpushSealing {
    package static let context = SecretID("logpush-destination")
}
