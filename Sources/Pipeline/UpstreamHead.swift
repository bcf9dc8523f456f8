import CloudflareWire
import GatewayCore
import NIOCore
import Providers
import WireFormats

/// Builds the head that a provider gets: the client's own bytes where nothing has to change.
@WorkerLoop
struct UpstreamHead {
    /// What a composed head depends on besides the client's.
    struct Call: Equatable {
        var provider: ProviderID
        var origin: Origin
        var path: String
        var query: String?
        var canonicalAuthority: String
        var kept: KeptCredentials
    }

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
        present = provider.requiredHeaders.isEmpty ? [] : Set(head.fields.map { head.text($0.name).lowercased() })
        let call = Call(
            provider: provider.id, origin: target.origin, path: target.path, query: target.query,
            canonicalAuthority: target.canonicalAuthority, kept: kept
        )
        if let known = admitted.memory?.composed(for: call) {
            buffer = Self.copy(known)
            return
        }
        let options = ForwardedFields.connectionOptions(head)
        let host = Self.isClientSigned(admitted) ? target.canonicalAuthority : target.origin.authority
        // What the operator set for its own provider stands in place of what the client may say.
        let standing = provider.standingHeaders
        let replaced = standing.isEmpty ? [] : Set(standing.map { $0.name.lowercased() })
        let standingSize = standing.reduce(0) { $0 + $1.name.utf8.count + $1.value.reveal().utf8.count + 4 }
        let own = standingSize + target.path.utf8.count + (target.query?.utf8.count ?? 0) + host.utf8.count + 128
        buffer = ByteBuffer()
        buffer.reserveCapacity(head.buffer.readableBytes + own + Self.laterRoom)
        buffer.compose(capacity: head.buffer.readableBytes + own) { out in
            head.withBytes { bytes in
                out.write(UnsafeRawBufferPointer(rebasing: bytes[head.method]))
                out.write(" ")
                out.write(target.path)
                if let query = target.query {
                    out.write("?")
                    out.write(query)
                }
                out.write(" HTTP/1.1\r\nHost: ")
                out.write(host)
                // Bodies are read for usage and kept for the log, so the provider is asked not to compress.
                out.write("\r\nAccept-Encoding: identity\r\n")
                for field in standing {
                    out.write(field.name)
                    out.write(": ")
                    out.write(field.value.reveal())
                    out.write("\r\n")
                }
                for (position, field) in head.fields.enumerated() {
                    if ForwardedFields.isWithheld(bytes, field) || admitted.withheldFields.contains(position) {
                        continue
                    }
                    if Self.repeatsToken(bytes, field, admitted) { continue }
                    if !replaced.isEmpty, replaced.contains(head.text(field.name).lowercased()) { continue }
                    if kept == .none, admitted.providerKeyFields.contains(position) { continue }
                    if !options.isEmpty, options.contains(head.text(field.name).lowercased()) { continue }
                    out.write(UnsafeRawBufferPointer(rebasing: bytes[field.name.lowerBound..<field.value.upperBound]))
                    out.write("\r\n")
                }
            }
        }
        admitted.memory?.remember(buffer, for: call)
    }

    /// A head that was composed before.
    init(_ known: ByteBuffer) {
        present = []
        buffer = Self.copy(known)
    }

    private static func copy(_ known: ByteBuffer) -> ByteBuffer {
        var own = ByteBuffer()
        own.reserveCapacity(known.readableBytes + laterRoom)
        own.writeImmutableBuffer(known)
        return own
    }

    /// Room for a key and the body's framing.
    private static let laterRoom = 256

    /// Writes a stored key, or one that came in another provider's form, into this provider's own place.
    mutating func inject(_ key: Secret<String>, _ provider: ProviderDefinition, _ target: UpstreamTarget) {
        let standing = provider.standingHeaders
        for field in provider.inject(key.reveal(), for: target) {
            // Written already, by what its owner decided for every call.
            if standing.contains(where: { $0.name.lowercased() == field.name.description }) { continue }
            HeadWriter.field(field.name, field.value, into: &buffer)
        }
        addRequired(provider)
    }

    /// Writes what the provider insists on and the client did not send.
    mutating func addRequired(_ provider: ProviderDefinition) {
        for field in provider.requiredHeaders where !present.contains(field.name.description) {
            HeadWriter.field(field.name, field.value, into: &buffer)
        }
    }

    /// Writes fields that a translated request needs.
    mutating func add(_ fields: [(name: StaticString, value: String)]) {
        for field in fields { HeadWriter.field(field.name, field.value, into: &buffer) }
    }

    /// Writes the body's framing and the end of the head.
    mutating func finish(_ framing: BodyFraming) {
        buffer.compose(capacity: 64) { out in
            switch framing {
            case .length(let count):
                out.write("Content-Length: ")
                out.write(decimal: count)
                out.write("\r\n\r\n")
            case .chunked: out.write("Transfer-Encoding: chunked\r\n\r\n")
            case .none, .untilClose: out.write("\r\n")
            }
        }
    }

    /// Whether a field holds a gateway token that came in another place as well.
    private static func repeatsToken(
        _ bytes: UnsafeRawBufferPointer, _ field: FieldSlice, _ admitted: Admitted
    ) -> Bool {
        admitted.tokens.contains { token in
            field.valueLength >= token.count
                && ByteSearch.contains(
                    UnsafeRawBufferPointer(rebasing: bytes[field.value]), UnsafeRawBufferPointer(rebasing: bytes[token])
                )
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
