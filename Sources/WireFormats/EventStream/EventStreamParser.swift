import CByteKernels

/// Reads the frames of an `application/vnd.amazon.eventstream` that arrives in pieces cut anywhere.
///
/// A frame that lies wholly inside one piece is handed out where it stands, without a copy; both checksums of a frame
/// are verified before it is handed out, and the lengths as soon as they are there.
/// - Source: total length, header length and their CRC-32, headers, payload, CRC-32 of all before it; big-endian
///   (providers §3) · documented
/// - Limits: `frameLimit` bytes for one frame, beyond it `frameTooLarge`; 128 KiB of headers.
package struct EventStreamParser: Sendable {
    private static let preludeLength = 12
    private static let checksumLength = 4
    private static let headersLimit = 128 << 10

    private let frameLimit: Int
    /// The beginning of a frame whose end has not come yet.
    private var held: [UInt8] = []
    /// Bytes that `held` has to reach: of the prelude, and once that is known, of the frame.
    private var wanted = EventStreamParser.preludeLength
    private var failure: EventStreamError?

    /// - Parameter frameLimit: most bytes of one frame; 16 MiB unless told.
    package init(frameLimit: Int = 16 << 20) {
        self.frameLimit = frameLimit
    }

    /// Whether everything that came was handed out.
    package var isBetweenFrames: Bool { held.isEmpty && failure == nil }

    /// Takes the next piece and calls `frame` for each frame that ends in it; after an error every call fails.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer, frame: (EventStreamFrame) -> Void
    ) throws(EventStreamError) {
        if let failure { throw failure }
        do throws(EventStreamError) {
            try read(bytes, frame)
        } catch {
            held = []
            failure = error
            throw error
        }
    }

    private mutating func read(
        _ bytes: UnsafeRawBufferPointer, _ frame: (EventStreamFrame) -> Void
    ) throws(EventStreamError) {
        var rest = bytes
        func take(_ count: Int) -> UnsafeRawBufferPointer {
            let part = UnsafeRawBufferPointer(rebasing: rest[..<count])
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            return part
        }
        while !rest.isEmpty {
            if held.isEmpty, rest.count >= Self.preludeLength {
                wanted = try length(rest)
                if rest.count >= wanted {
                    frame(try Self.checked(take(wanted)))
                    wanted = Self.preludeLength
                    continue
                }
            }
            held.append(contentsOf: take(min(wanted - held.count, rest.count)))
            guard held.count == wanted else { return }
            if wanted == Self.preludeLength {
                wanted = try length(held)
            } else {
                try handOut(frame)
            }
        }
    }

    private func length(_ held: [UInt8]) throws(EventStreamError) -> Int {
        let result: Result<Int, EventStreamError> = held.withUnsafeBytes { bytes in
            do throws(EventStreamError) { return .success(try length(bytes)) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private mutating func handOut(_ frame: (EventStreamFrame) -> Void) throws(EventStreamError) {
        var whole: [UInt8] = []
        swap(&whole, &held)
        wanted = Self.preludeLength
        let failure: EventStreamError? = whole.withUnsafeBytes { bytes in
            do throws(EventStreamError) {
                frame(try Self.checked(bytes))
                return nil
            } catch {
                return error
            }
        }
        if let failure { throw failure }
        // A large frame must not keep its memory for the rest of a long stream.
        whole.removeAll(keepingCapacity: whole.capacity <= 65_536)
        held = whole
    }

    /// The frame's length as its first bytes give it.
    private func length(_ bytes: UnsafeRawBufferPointer) throws(EventStreamError) -> Int {
        guard Self.number(bytes, 8) == aig_crc32(0, bytes.baseAddress, 8) else { throw .malformedPrelude }
        let total = Int(Self.number(bytes, 0))
        let headers = Int(Self.number(bytes, 4))
        guard total >= Self.preludeLength + headers + Self.checksumLength else { throw .malformedPrelude }
        guard total <= frameLimit, headers <= Self.headersLimit else { throw .frameTooLarge }
        return total
    }

    /// The frame in `bytes`, which are all of it.
    private static func checked(_ bytes: UnsafeRawBufferPointer) throws(EventStreamError) -> EventStreamFrame {
        let end = bytes.count - checksumLength
        guard number(bytes, end) == aig_crc32(0, bytes.baseAddress, end) else { throw .wrongChecksum }
        let payload = preludeLength + Int(number(bytes, 4))
        let frame = EventStreamFrame(
            headers: UnsafeRawBufferPointer(rebasing: bytes[preludeLength..<payload]),
            payload: UnsafeRawBufferPointer(rebasing: bytes[payload..<end])
        )
        guard let frame else { throw .malformedHeaders }
        return frame
    }

    private static func number(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
        UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}
