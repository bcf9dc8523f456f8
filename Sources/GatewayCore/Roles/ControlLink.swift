package import NIOCore

/// The conversation between a worker (client) and its node's control process (server) on `controlSocketPath`.
///
/// Frame: `u32` little-endian length of what follows · `u8` kind · payload. A reader skips kinds it does not know.
package enum ControlLink {
    /// Larger frames are a broken peer; the connection is closed.
    package static let maxFrame = 256 << 20

    package enum FromWorker: Sendable, Equatable {
        /// First frame of a connection.
        case hello(slot: Int, processID: Int32, snapshotVersion: UInt64)
        /// Control creates the gateway if missing, sends the snapshot that has it, then `provisioned`.
        case provisionDefaultGateway(request: UInt64, account: AccountID)
    }

    package enum FromControl: Sendable, Equatable {
        /// An encoded `ConfigSnapshot`.
        case snapshot(ByteBuffer)
        /// Answer to `provisionDefaultGateway`; `problem` is nil when the gateway exists now.
        case provisioned(request: UInt64, problem: String?)
        /// State of a store as control sees it.
        case store(Observation.Store, isAvailable: Bool, since: Instant)
    }

    package static func encode(_ message: FromWorker) -> ByteBuffer {
        switch message {
        case .hello(let slot, let processID, let version):
            frame(kind: 1) {
                $0.write(1, slot)
                $0.write(2, Int(processID))
                $0.write(3, fixed: version)
            }
        case .provisionDefaultGateway(let request, let account):
            frame(kind: 2) {
                $0.write(1, fixed: request)
                $0.write(2, account.rawValue)
            }
        }
    }

    package static func encode(_ message: FromControl) -> ByteBuffer {
        switch message {
        case .snapshot(let bytes):
            var buffer = ByteBuffer()
            buffer.reserveCapacity(bytes.readableBytes + 5)
            buffer.writeInteger(UInt32(bytes.readableBytes + 1), endianness: .little)
            buffer.writeInteger(UInt8(1))
            buffer.writeImmutableBuffer(bytes)
            return buffer
        case .provisioned(let request, let problem):
            return frame(kind: 2) {
                $0.write(1, fixed: request)
                $0.write(2, problem)
            }
        case .store(let store, let isAvailable, let since):
            return frame(kind: 3) {
                $0.write(1, store.rawValue)
                $0.write(2, isAvailable)
                $0.write(3, signed: since.microseconds)
            }
        }
    }

    private static func frame(kind: UInt8, _ body: (inout TaggedWriter) -> Void) -> ByteBuffer {
        var buffer = ByteBuffer()
        buffer.writeInteger(UInt32(0))
        buffer.writeInteger(kind)
        var out = TaggedWriter(buffer)
        body(&out)
        out.buffer.setInteger(UInt32(out.buffer.readableBytes - 4), at: 0, endianness: .little)
        return out.buffer
    }

    /// A peer sent a frame that no version of this protocol produces.
    package struct Malformed: Error {
        package init() {}
    }

    /// Takes one whole frame off the front of `buffer`: its kind and payload, or nil when more bytes are needed.
    private static func takeFrame(_ buffer: inout ByteBuffer) throws(Malformed) -> (UInt8, ByteBuffer)? {
        guard let length = buffer.getInteger(at: buffer.readerIndex, endianness: .little, as: UInt32.self) else {
            return nil
        }
        guard length >= 1, length <= maxFrame else { throw Malformed() }
        guard buffer.readableBytes >= 4 + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        guard let kind = buffer.readInteger(as: UInt8.self), let payload = buffer.readSlice(length: Int(length) - 1)
        else { throw Malformed() }
        return (kind, payload)
    }

    /// The next message of a worker; nil when more bytes are needed.
    package static func decodeFromWorker(_ buffer: inout ByteBuffer) throws(Malformed) -> FromWorker? {
        while let (kind, payload) = try takeFrame(&buffer) {
            var fields: [UInt16: TaggedReader.Field] = [:]
            var reader = TaggedReader(payload)
            while let field = reader.next() { fields[field.number] = field }
            switch kind {
            case 1:
                guard let slot = fields[1], let process = fields[2] else { throw Malformed() }
                return .hello(
                    slot: slot.int, processID: Int32(truncatingIfNeeded: process.int),
                    snapshotVersion: fields[3]?.unsigned ?? 0
                )
            case 2:
                guard let request = fields[1], let account = fields[2] else { throw Malformed() }
                return .provisionDefaultGateway(request: request.unsigned, account: AccountID(account.string))
            default: continue
            }
        }
        return nil
    }

    /// The next message of control; nil when more bytes are needed.
    package static func decodeFromControl(_ buffer: inout ByteBuffer) throws(Malformed) -> FromControl? {
        while let (kind, payload) = try takeFrame(&buffer) {
            if kind == 1 { return .snapshot(payload) }
            var fields: [UInt16: TaggedReader.Field] = [:]
            var reader = TaggedReader(payload)
            while let field = reader.next() { fields[field.number] = field }
            switch kind {
            case 2:
                guard let request = fields[1] else { throw Malformed() }
                return .provisioned(request: request.unsigned, problem: fields[2]?.string)
            case 3:
                guard let store = fields[1].flatMap({ Observation.Store(rawValue: $0.string) }) else { continue }
                return .store(
                    store, isAvailable: fields[2]?.bool ?? false,
                    since: Instant(microseconds: fields[3]?.signed ?? 0)
                )
            default: continue
            }
        }
        return nil
    }
}
