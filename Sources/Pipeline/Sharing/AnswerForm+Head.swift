package import GatewayCore
import NIOCore
import WireFormats

extension AnswerForm {
    /// The form of an answer that may be kept and shared; nil for all others.
    ///
    /// - Source: data-plane §4.1: complete 2xx answers with text or images, streams where they are opted in ·
    ///   documented; 206 is a part of an answer, and one to HEAD has no payload to repeat · assumed
    /// - Parameters:
    ///   - bound: most payload bytes, where the head announces how many there will be.
    package init?(keepable head: ResponseHead, terms: CacheTerms, bound: Int) {
        guard (200..<300).contains(head.status), head.status != 206 else { return nil }
        switch head.framing {
        case .none: guard head.status == 204 else { return nil }
        case .length(let length): guard length <= bound else { return nil }
        case .chunked, .untilClose: break
        }
        var type: Range<Int>?
        var encoding: Range<Int>?
        for field in head.fields {
            if field.kind == .contentType, type == nil { type = field.value }
            if field.kind == .contentEncoding, encoding == nil { encoding = field.value }
        }
        let medium = type.map { range in head.withBytes { Medium($0, range) } } ?? .document
        switch medium {
        case .document: break
        case .stream: guard terms.keepsStreams else { return nil }
        case .recording: return nil
        }
        self.init(
            status: head.status, contentType: type.map { head.text($0) },
            contentEncoding: encoding.map { head.text($0) },
            delivery: medium == .stream ? .stream : .whole
        )
    }

    /// What a media type stands for, as far as the cache is concerned.
    private enum Medium {
        case document, stream
        /// Sound, film and parts of many answers, which are not kept.
        case recording

        init(_ bytes: UnsafeRawBufferPointer, _ type: Range<Int>) {
            func begins(_ name: StaticString) -> Bool {
                let length = name.utf8CodeUnitCount
                return type.count >= length && name.matches(bytes, type.lowerBound..<type.lowerBound + length)
            }
            func isNamed(_ name: StaticString) -> Bool {
                guard begins(name) else { return false }
                let end = type.lowerBound + name.utf8CodeUnitCount
                return end == type.upperBound || bytes[end] == 0x3b || bytes[end] == 0x20
            }
            if isNamed("text/event-stream") || isNamed("application/vnd.amazon.eventstream") {
                self = .stream
            } else if begins("audio/") || begins("video/") || begins("multipart/") {
                self = .recording
            } else {
                self = .document
            }
        }
    }

    /// The head under which the answer is repeated; nil when it cannot be made, which no kept answer causes.
    ///
    /// It is written and indexed in one go: what a parser would find is known.
    /// - Parameter length: of the payload, where it is sent with its length.
    func head(length: Int) -> ResponseHead? {
        guard (200..<600).contains(status) else { return nil }
        var head = IndexedHead(status)
        if let contentType {
            head.add("Content-Type", .contentType) { HeadWriter.field($0, contentType, into: &$1) }
        }
        if let contentEncoding {
            head.add("Content-Encoding", .contentEncoding) { HeadWriter.field($0, contentEncoding, into: &$1) }
        }
        guard status != 204 else { return head.finished(.none) }
        switch delivery {
        case .whole:
            head.add("Content-Length", .contentLength) { HeadWriter.field($0, number: length, into: &$1) }
            return head.finished(.length(length))
        case .stream:
            head.add("Transfer-Encoding", .transferEncoding) { HeadWriter.field($0, "chunked", into: &$1) }
            return head.finished(.chunked)
        }
    }
}

/// A response head that is put together here, with its index.
private struct IndexedHead {
    private var bytes = ByteBuffer()
    private var fields: [FieldSlice] = []
    private let status: Int
    private let reason: Range<Int>

    /// Bytes of the status line in front of the reason phrase, and of the end of a line.
    private static let beforeReason = 13
    private static let lineEnd = 2

    init(_ status: Int) {
        self.status = status
        bytes.reserveCapacity(256)
        fields.reserveCapacity(3)
        HeadWriter.statusLine(status, into: &bytes)
        reason = Self.beforeReason..<max(Self.beforeReason, bytes.writerIndex - Self.lineEnd)
    }

    mutating func add(_ name: StaticString, _ kind: FieldKind, _ write: (StaticString, inout ByteBuffer) -> Void) {
        let start = bytes.writerIndex
        write(name, &bytes)
        let value = start + name.utf8CodeUnitCount + 2
        fields.append(
            FieldSlice(
                nameStart: UInt32(start), nameLength: UInt16(name.utf8CodeUnitCount), kind: kind,
                valueStart: UInt32(value), valueLength: UInt32(bytes.writerIndex - Self.lineEnd - value)
            )
        )
    }

    mutating func finished(_ framing: BodyFraming) -> ResponseHead {
        HeadWriter.endOfHead(into: &bytes)
        return ResponseHead(
            buffer: bytes, fields: fields, framing: framing, version: .http11, keepsAlive: true, status: status,
            reason: reason
        )
    }
}
