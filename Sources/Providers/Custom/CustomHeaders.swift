package import GatewayCore
import WireFormats

/// The header fields that an account wants sent with every call of its own provider.
///
/// Stored as the text of a JSON object. Text that is none is kept, since clients of the API may send it, but has no
/// effect (control-plane.md §8.1 · observed: the SDK's own tests do so).
package enum CustomHeaders {
    /// Fields that may be given.
    package static let fieldLimit = 64
    /// Bytes of the whole text.
    package static let lengthLimit = 8192

    /// Why an object of fields cannot be stored.
    package enum Refusal: Error, Sendable, Equatable {
        /// Its name cannot be a field's name, or belongs to the connection or to the gateway.
        case name(String)
        /// Its value is no text, or cannot stand in a header.
        case value(String)
        case tooMany

        package var message: String {
            switch self {
            case .name(let name): "'\(name)' cannot be sent as a header field"
            case .value(let name): "The value of '\(name)' cannot be sent in a header field"
            case .tooMany: "More than \(CustomHeaders.fieldLimit) header fields"
            }
        }
    }

    /// The fields in the order they were given; nil when the text is no JSON object.
    ///
    /// What may not be stored is left out, so that rows written by hand cannot break a request apart.
    package static func read(_ text: [UInt8]) -> [(name: String, value: Secret<String>)]? {
        members(text)?.prefix(fieldLimit).compactMap { name, value in
            guard refusal(ofName: name, value) == nil, let value else { return nil }
            return (name, Secret(value))
        }
    }

    /// Throws when `text` is a JSON object that may not be stored.
    package static func check(_ text: [UInt8]) throws(Refusal) {
        guard let members = members(text) else { return }
        guard members.count <= fieldLimit else { throw .tooMany }
        for (name, value) in members {
            if let refusal = refusal(ofName: name, value) { throw refusal }
        }
    }

    /// What may be shown of `text`: the names, never a value.
    package static func masked(_ text: [UInt8]) -> String {
        guard let members = members(text) else { return Secret.mask }
        return "{" + members.map { JSONPatch.quoted($0.name) + ":\"\(Secret.mask)\"" }.joined(separator: ",") + "}"
    }

    /// Names with their values; a value that is no string is nil.
    private static func members(_ text: [UInt8]) -> [(name: String, value: String?)]? {
        text.withUnsafeBytes { bytes in
            guard JSONScan.validate(bytes) else { return nil }
            let view = JSONView(bytes)
            guard view.kind == .object else { return nil }
            var members: [(String, String?)] = []
            view.forEachMember { members.append(($0, $1.string)) }
            return members
        }
    }

    private static func refusal(ofName name: String, _ value: String?) -> Refusal? {
        guard (1...256).contains(name.utf8.count), name.utf8.allSatisfy(isTokenCharacter), !isReserved(name) else {
            return .name(name)
        }
        guard let value, value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
            return .value(name)
        }
        return nil
    }

    /// Fields that frame the message, belong to one connection, or are the gateway's own.
    private static func isReserved(_ name: String) -> Bool {
        let name = name.lowercased()
        return reserved.contains(name) || reservedPrefixes.contains { name.hasPrefix($0) }
    }

    private static let reserved: Set<String> = [
        "host", "content-length", "transfer-encoding", "connection", "keep-alive", "te", "trailer", "upgrade",
        "expect", "accept-encoding", "content-encoding", "content-type", "forwarded", "x-real-ip", "cdn-loop",
        "http2-settings",
    ]
    private static let reservedPrefixes = ["cf-", "proxy-", "x-forwarded-", "sec-websocket-"]

    /// RFC 9110 §5.6.2.
    private static func isTokenCharacter(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x21, 0x23...0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e...0x60, 0x7c, 0x7e:
            true
        default: false
        }
    }
}
