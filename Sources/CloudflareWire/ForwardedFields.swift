package import GatewayCore
import NIOCore
import WireFormats

/// Decides which of a client's header fields a provider gets to see (data-plane §2.1, providers.md §2.3).
package enum ForwardedFields {
    /// Whether a field stays behind for reasons that hold for every provider.
    package static func isWithheld(_ bytes: UnsafeRawBufferPointer, _ field: FieldSlice) -> Bool {
        switch field.kind {
        case .contentLength, .transferEncoding, .connection, .keepAlive, .te, .trailer, .upgrade, .proxyPrefixed,
            .expect, .host, .acceptEncoding:
            return true
        case .contentType, .contentEncoding, .userAgent, .setCookie, .date, .server, .authorization:
            return false
        case .other:
            let name = field.name
            switch bytes[field.name.lowerBound] | 0x20 {
            case 0x63:  // c
                return begins("cf-", bytes, name) || ("cdn-loop" as StaticString).matches(bytes, name)
            case 0x78:  // x
                return begins("x-forwarded-", bytes, name) || ("x-real-ip" as StaticString).matches(bytes, name)
                    || ("x-fal-target-url" as StaticString).matches(bytes, name)
            case 0x66:  // f
                return ("forwarded" as StaticString).matches(bytes, name)
            case 0x73:  // s
                return begins("sec-websocket-", bytes, name)
            case 0x68:  // h
                return ("http2-settings" as StaticString).matches(bytes, name)
            default: return false
            }
        }
    }

    /// Names that a `Connection` header declares hop-by-hop, in lower case (RFC 9110 §7.6.1).
    package static func connectionOptions(_ head: some MessageHead) -> [String] {
        guard head.fields.contains(where: { $0.kind == .connection }) else { return [] }
        return head.fields.filter { $0.kind == .connection }.flatMap { field in
            head.text(field.value).lowercased().split(separator: ",").map { option in
                String(option.drop { $0 == " " || $0 == "\t" }.prefix { $0 != " " && $0 != "\t" })
            }
        }.filter { $0 != "close" && $0 != "keep-alive" && !$0.isEmpty }
    }

    /// Whether a field of a provider's answer stays behind (data-plane §2.2).
    package static func isWithheldFromClient(_ bytes: UnsafeRawBufferPointer, _ field: FieldSlice) -> Bool {
        switch field.kind {
        case .contentLength, .transferEncoding, .connection, .keepAlive, .te, .trailer, .upgrade, .proxyPrefixed,
            .setCookie:
            return true
        case .other: return Directives.hasGatewayPrefix(bytes, field.name)
        default: return false
        }
    }

    private static func begins(_ prefix: StaticString, _ bytes: UnsafeRawBufferPointer, _ name: Range<Int>) -> Bool {
        name.count >= prefix.utf8CodeUnitCount
            && prefix.matches(bytes, name.lowerBound..<name.lowerBound + prefix.utf8CodeUnitCount)
    }
}
