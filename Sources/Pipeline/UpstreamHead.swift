import CloudflareWire
import GatewayCore
import NIOCore
import Providers
import WireFormats

/// Builds the head that a provider gets: the client's own bytes where nothing has to change.
struct UpstreamHead {
    enum KeptCredentials {
        /// What the client sent stays, apart from gateway tokens and empty values.
        case providerKeys
        /// No credential field stays; `inject` writes the one.
        case none
    }

    private(set) var buffer: ByteBuffer
    /// Lower-case names of the client's fields that a provider's required headers might repeat.
    private let present: Set<String>

    init(
        _ admitted: Admitted, provider: ProviderDefinition, target: UpstreamTarget,
        keepingCredentials kept: KeptCredentials = .providerKeys
    ) {
        let head = admitted.inbound.head
        buffer = ByteBuffer()
        buffer.reserveCapacity(head.buffer.readableBytes + target.path.utf8.count + 256)
        let options = ForwardedFields.connectionOptions(head)
        present = provider.requiredHeaders.isEmpty ? [] : Set(head.fields.map { head.text($0.name).lowercased() })
        head.withBytes { bytes in
            buffer.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[head.method]))
            buffer.writeStaticString(" ")
            buffer.writeString(target.path)
            if let query = target.query {
                buffer.writeStaticString("?")
                buffer.writeString(query)
            }
            buffer.writeStaticString(" HTTP/1.1\r\nHost: ")
            buffer.writeString(Self.isClientSigned(admitted) ? target.canonicalAuthority : target.origin.authority)
            // Bodies are read for usage and kept for the log, so the provider is asked not to compress.
            buffer.writeStaticString("\r\nAccept-Encoding: identity\r\n")
            for (position, field) in head.fields.enumerated() {
                if ForwardedFields.isWithheld(bytes, field) || admitted.withheldFields.contains(position) { continue }
                if Self.repeatsToken(bytes, field, admitted) { continue }
                if kept == .none, admitted.providerKeyFields.contains(position) { continue }
                if !options.isEmpty, options.contains(head.text(field.name).lowercased()) { continue }
                buffer.writeBytes(
                    UnsafeRawBufferPointer(rebasing: bytes[field.name.lowerBound..<field.value.upperBound])
                )
                buffer.writeStaticString("\r\n")
            }
        }
    }

    /// Writes a stored key, or one that came in another provider's form, into this provider's own place.
    mutating func inject(_ key: Secret<String>, _ provider: ProviderDefinition, _ target: UpstreamTarget) {
        for field in provider.inject(key.reveal(), for: target) {
            HeadWriter.field(field.name, field.value, into: &buffer)
        }
        for field in provider.requiredHeaders where !present.contains(field.name.description) {
            HeadWriter.field(field.name, field.value, into: &buffer)
        }
    }

    /// Writes the body's framing and the end of the head.
    mutating func finish(_ framing: BodyFraming) {
        switch framing {
        case .length(let count):
            buffer.writeStaticString("Content-Length: ")
            buffer.writeString(String(count))
            buffer.writeStaticString("\r\n\r\n")
        case .chunked: buffer.writeStaticString("Transfer-Encoding: chunked\r\n\r\n")
        case .none, .untilClose: buffer.writeStaticString("\r\n")
        }
    }

    /// Whether a field holds a gateway token that came in another place as well.
    private static func repeatsToken(
        _ bytes: UnsafeRawBufferPointer, _ field: FieldSlice, _ admitted: Admitted
    ) -> Bool {
        admitted.tokens.contains { token in
            field.valueLength >= token.count
                && ByteSearch.contains(
                    UnsafeRawBufferPointer(rebasing: bytes[field.value]), UnsafeRawBufferPointer(rebasing: bytes[token]))
        }
    }

    /// Whether the client signed the call for the provider's own host (decisions 25).
    private static func isClientSigned(_ admitted: Admitted) -> Bool {
        let head = admitted.inbound.head
        let scheme: StaticString = "aws4-hmac-sha256"
        return head.withBytes { bytes in
            admitted.providerKeyFields.contains { position in
                let value = head.fields[position].value
                return value.count > scheme.utf8CodeUnitCount
                    && scheme.matches(bytes, value.lowerBound..<value.lowerBound + scheme.utf8CodeUnitCount)
            }
        }
    }
}
