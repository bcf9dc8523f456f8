import CloudflareWire
import GatewayCore
package import NIOCore
import WireFormats

/// Builds the head that the client gets, around a provider's answer or one of the gateway's own.
struct AnswerHead {
    /// The ids that every answer after authentication carries (data-plane §2.2).
    struct Marks {
        var eventID: EventID
        var requestID: LogID
        /// Nil when no log entry is created.
        var logID: LogID?
        /// Nil for answers that no provider gave.
        var step: Int?
        /// Whether the answer came out of the shared store.
        var isCached = false
    }

    /// How the answer's body reaches this client.
    enum Delivery: Equatable {
        /// Framing and bytes as the provider sent them.
        case raw
        /// Payload in our own chunks.
        case chunks
        /// Payload alone; the connection's end is its end (HTTP/1.0 clients).
        case plain
        case empty
    }

    static func delivery(of head: ResponseHead, to version: HTTPVersion, shape: ReplyShape) -> Delivery {
        switch head.framing {
        case .none: .empty
        case .length: shape == .withoutUsageChunk ? (version == .http11 ? .chunks : .plain) : .raw
        case .chunked: version == .http11 ? (shape == .asIs ? .raw : .chunks) : .plain
        case .untilClose: version == .http11 ? .chunks : .plain
        }
    }

    /// A provider's head for the client: status and fields kept, framing and connection our own.
    static func relayed(
        _ head: ResponseHead, delivery: Delivery, isHeadMethod: Bool, note: ConnectionNote, marks: Marks
    ) -> ByteBuffer {
        let options = ForwardedFields.connectionOptions(head)
        let keepsLength = delivery == .raw || delivery == .empty && allowsLength(head, isHeadMethod)
        var buffer = ByteBuffer()
        buffer.compose(capacity: head.buffer.readableBytes + marks.eventID.length + ownFieldsLimit) { out in
            head.withBytes { bytes in
                out.write("HTTP/1.1 ")
                out.write(decimal: head.status)
                out.write(" ")
                out.write(UnsafeRawBufferPointer(rebasing: bytes[head.reason]))
                out.write("\r\n")
                for field in head.fields {
                    if !(keepsLength && field.kind == .contentLength),
                        ForwardedFields.isWithheldFromClient(bytes, field)
                    {
                        continue
                    }
                    if !options.isEmpty, options.contains(head.text(field.name).lowercased()) { continue }
                    out.write(UnsafeRawBufferPointer(rebasing: bytes[field.name.lowerBound..<field.value.upperBound]))
                    out.write("\r\n")
                }
            }
            switch delivery {
            case .raw where head.framing == .chunked, .chunks: out.write("Transfer-Encoding: chunked\r\n")
            case .raw, .plain, .empty: break
            }
            out.write(ResponseHeaderName.cacheStatus)
            out.write(marks.isCached ? ": HIT\r\n" : ": MISS\r\n")
            write(marks, into: &out)
            finish(note, into: &out)
        }
        return buffer
    }

    /// More than all fields of our own take, the event id apart.
    private static let ownFieldsLimit = 512

    /// The head of one of the gateway's own answers.
    static func own(
        status: Int, contentType: StaticString, length: Int, note: ConnectionNote, marks: Marks?,
        retryAfter: Duration? = nil
    ) -> ByteBuffer {
        var buffer = ByteBuffer()
        HeadWriter.statusLine(status, into: &buffer)
        buffer.compose(capacity: contentType.utf8CodeUnitCount + (marks?.eventID.length ?? 0) + ownFieldsLimit) {
            $0.write("Content-Type: ")
            $0.write(contentType)
            $0.write("\r\nContent-Length: ")
            $0.write(decimal: length)
            $0.write("\r\n")
            if let retryAfter {
                // Whole seconds, rounded up: earlier it would be refused again (RFC 9110 §10.2.3).
                let (seconds, rest) = retryAfter.components
                $0.write("Retry-After: ")
                $0.write(decimal: Int(max(seconds, 0)) + (rest > 0 ? 1 : 0))
                $0.write("\r\n")
            }
            if let marks { write(marks, into: &$0) }
            finish(note, into: &$0)
        }
        return buffer
    }

    /// Answers to HEAD and 304 may announce a length without a body; 204 and 1xx may not (RFC 9110 §8.6).
    private static func allowsLength(_ head: ResponseHead, _ isHeadMethod: Bool) -> Bool {
        isHeadMethod || head.status == 304 || head.status >= 200 && head.status != 204
    }

    private static func write(_ marks: Marks, into out: inout RawWriter) {
        if let log = marks.logID {
            out.write(ResponseHeaderName.logID)
            out.write(": ")
            log.write(into: &out)
            out.write("\r\n")
        }
        out.write(ResponseHeaderName.eventID)
        out.write(": ")
        marks.eventID.write(into: &out)
        out.write("\r\n")
        out.write(ResponseHeaderName.requestID)
        out.write(": ")
        marks.requestID.write(into: &out)
        out.write("\r\n")
        if let step = marks.step {
            out.write(ResponseHeaderName.step)
            out.write(": ")
            out.write(decimal: step)
            out.write("\r\n")
        }
    }

    private static func finish(_ note: ConnectionNote, into out: inout RawWriter) {
        switch note {
        case .none: out.write("\r\n")
        case .close: out.write("Connection: close\r\n\r\n")
        case .keepAlive: out.write("Connection: keep-alive\r\n\r\n")
        }
    }
}

/// Heads of answers that belong to no exchange: refused bytes, health checks.
package enum OwnAnswer {
    package static func head(
        status: Int, contentType: StaticString, length: Int, note: ConnectionNote
    ) -> ByteBuffer {
        AnswerHead.own(status: status, contentType: contentType, length: length, note: note, marks: nil)
    }
}
