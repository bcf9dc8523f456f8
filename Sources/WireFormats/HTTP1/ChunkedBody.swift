import CByteKernels
import GatewayCore

/// The chunked transfer coding as a state machine over bytes that arrive in pieces cut anywhere.
///
/// `chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] )`, without the optional whitespace that RFC 9112
/// §7.1.1 calls bad. A trailer section must not speak about framing or routing (RFC 9110 §6.5.1).
struct ChunkedBody: Sendable {
    /// Most bytes of extensions on one chunk-size line.
    static let extensionLimit = 1_024
    /// Most bytes of the trailer section.
    static let trailerLimit = 16_384
    private static let sizeDigits = 16
    /// The length of the longest name that is looked for among trailer fields, `transfer-encoding`.
    private static let nameKept = 17

    private enum State {
        /// Before the first digit of a size; successor: `size`.
        case sizeStart
        case size
        case extensionName, extensionNameRest
        case extensionValue, extensionValueRest
        case quoted, quotedEscape, quotedEnd
        /// After the CR of a size line; successor: `data`, or `trailerStart` for the last chunk.
        case sizeEnd
        case data
        case dataReturn, dataEnd
        /// At the start of a trailer line or of the empty line; successors: `trailerName`, `lastEnd`.
        case trailerStart
        case trailerName, trailerValue, trailerEnd
        case lastEnd
        case complete
    }

    private var state = State.sizeStart
    private var digits = 0
    /// The size while it is read, then the payload bytes of this chunk still to come.
    private var left = 0
    private var lineBytes = 0
    private var trailerBytes = 0
    /// The name of the trailer field that is being read, with one byte more than matters at most.
    private var trailerName: [UInt8] = []
    private(set) var sawExtensionOrTrailer = false

    var isComplete: Bool { state == .complete }

    /// Walks `bytes` up to the end of the body and says how many belong to it.
    ///
    /// - Parameter omissible: called for bytes of extensions and trailer fields.
    mutating func follow(
        _ bytes: UnsafeRawBufferPointer, payload: (UnsafeRawBufferPointer) -> Void, omissible: (Range<Int>) -> Void
    ) throws(HTTP1Error) -> Int {
        var at = 0
        while at < bytes.count, state != .complete {
            if state == .data {
                let taken = min(left, bytes.count - at)
                payload(UnsafeRawBufferPointer(rebasing: bytes[at..<at + taken]))
                at += taken
                left -= taken
                if left == 0 { state = .dataReturn }
            } else {
                let before = state
                try step(bytes[at])
                if sawExtensionOrTrailer, isOmissible(after: before) { omissible(at..<at + 1) }
                at += 1
            }
        }
        return at
    }

    /// Whether the byte that led here from `before` carried neither framing nor payload.
    private func isOmissible(after before: State) -> Bool {
        switch state {
        case .extensionName, .extensionNameRest, .extensionValue, .extensionValueRest, .quoted, .quotedEscape,
            .quotedEnd, .trailerName, .trailerValue, .trailerEnd:
            true
        case .trailerStart: before == .trailerEnd
        default: false
        }
    }

    private mutating func step(_ byte: UInt8) throws(HTTP1Error) {
        switch state {
        case .sizeStart, .size: try stepSize(byte)
        case .extensionName, .extensionNameRest, .extensionValue, .extensionValueRest, .quoted, .quotedEscape,
            .quotedEnd:
            lineBytes += 1
            guard lineBytes <= Self.extensionLimit else { throw .badChunkExtension }
            try stepExtension(byte)
        case .sizeEnd:
            guard byte == 0x0A else { throw .badChunkSize }
            state = left > 0 ? .data : .trailerStart
        case .dataReturn:
            guard byte == 0x0D else { throw .badChunkEnd }
            state = .dataEnd
        case .dataEnd:
            guard byte == 0x0A else { throw .badChunkEnd }
            state = .sizeStart
            digits = 0
        case .trailerStart, .trailerName, .trailerValue, .trailerEnd, .lastEnd: try stepTrailer(byte)
        case .data, .complete: break
        }
    }

    private mutating func stepSize(_ byte: UInt8) throws(HTTP1Error) {
        if let digit = hexDigit(byte) {
            digits += 1
            guard digits <= Self.sizeDigits, left <= Int.max >> 4 else { throw .badChunkSize }
            left = left << 4 | digit
            state = .size
            return
        }
        guard state == .size else { throw .badChunkSize }
        switch byte {
        case 0x0D: state = .sizeEnd
        case 0x3B:
            sawExtensionOrTrailer = true
            lineBytes = 1
            state = .extensionName
        default: throw .badChunkSize
        }
    }

    private mutating func stepExtension(_ byte: UInt8) throws(HTTP1Error) {
        switch (state, byte) {
        case (.extensionNameRest, 0x3D): state = .extensionValue
        case (.extensionNameRest, 0x3B), (.extensionValueRest, 0x3B), (.quotedEnd, 0x3B): state = .extensionName
        case (.extensionNameRest, 0x0D), (.extensionValueRest, 0x0D), (.quotedEnd, 0x0D): state = .sizeEnd
        case (.extensionValue, 0x22): state = .quoted
        case (.quoted, 0x22): state = .quotedEnd
        case (.quoted, 0x5C): state = .quotedEscape
        case (.quoted, _):
            guard isText(byte) else { throw .badChunkExtension }
        case (.quotedEscape, _):
            guard isText(byte) else { throw .badChunkExtension }
            state = .quoted
        case (.extensionName, _), (.extensionNameRest, _):
            guard isToken(byte) else { throw .badChunkExtension }
            state = .extensionNameRest
        case (.extensionValue, _), (.extensionValueRest, _):
            guard isToken(byte) else { throw .badChunkExtension }
            state = .extensionValueRest
        default: throw .badChunkExtension
        }
    }

    private mutating func stepTrailer(_ byte: UInt8) throws(HTTP1Error) {
        trailerBytes += 1
        guard trailerBytes <= Self.trailerLimit else { throw .badTrailer }
        switch (state, byte) {
        case (.trailerStart, 0x0D): state = .lastEnd
        case (.trailerName, 0x3A):
            guard !namesForbiddenTrailer() else { throw .badTrailer }
            state = .trailerValue
        case (.trailerStart, _), (.trailerName, _):
            guard isToken(byte) else { throw .badTrailer }
            if state == .trailerStart { trailerName.removeAll(keepingCapacity: true) }
            if trailerName.count <= Self.nameKept { trailerName.append(byte) }
            sawExtensionOrTrailer = true
            state = .trailerName
        case (.trailerValue, 0x0D): state = .trailerEnd
        case (.trailerValue, _):
            guard isText(byte) else { throw .badTrailer }
        case (.trailerEnd, 0x0A): state = .trailerStart
        case (.lastEnd, 0x0A): state = .complete
        default: throw .badTrailer
        }
    }

    private func namesForbiddenTrailer() -> Bool {
        trailerName.withUnsafeBytes { name in
            guard let start = name.baseAddress, name.count > 0 else { return false }
            switch FieldKind(name: start, count: name.count) {
            case .contentLength, .transferEncoding, .host: return true
            default: return false
            }
        }
    }

    private func hexDigit(_ byte: UInt8) -> Int? {
        switch byte {
        case 0x30...0x39: Int(byte &- 0x30)
        case 0x41...0x46: Int(byte &- 0x41) + 10
        case 0x61...0x66: Int(byte &- 0x61) + 10
        default: nil
        }
    }

    private func isToken(_ byte: UInt8) -> Bool {
        withUnsafeBytes(of: byte) { aig_token_prefix($0.baseAddress, 1) == 1 }
    }

    private func isText(_ byte: UInt8) -> Bool { byte == 0x09 || byte >= 0x20 && byte != 0x7F }
}
