import CloudflareWire
import GatewayCore
package import NIOCore
import WireFormats

/// Builds the head that the client gets, around a provider's answer or one of the gateway's own.
struct AnswerHead {
    /// The ids that every answer after authentication carries (data-plane §2.2).
    struct Marks {
        var eventID: String
        var requestID: LogID
        /// Nil when no log entry is created.
        var logID: LogID?
        /// Nil for answers that no provider gave.
        var step: Int?
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
        var out = ByteBuffer()
        out.reserveCapacity(head.buffer.readableBytes + 256)
        let options = ForwardedFields.connectionOptions(head)
        head.withBytes { bytes in
            out.writeStaticString("HTTP/1.1 ")
            writeNumber(head.status, into: &out)
            out.writeStaticString(" ")
            out.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[head.reason]))
            out.writeStaticString("\r\n")
            for field in head.fields {
                let keepsLength =
                    field.kind == .contentLength && (delivery == .raw || delivery == .empty && allowsLength(head, isHeadMethod))
                if !keepsLength, ForwardedFields.isWithheldFromClient(bytes, field) { continue }
                if !options.isEmpty, options.contains(head.text(field.name).lowercased()) { continue }
                out.writeBytes(UnsafeRawBufferPointer(rebasing: bytes[field.name.lowerBound..<field.value.upperBound]))
                out.writeStaticString("\r\n")
            }
        }
        switch delivery {
        case .raw where head.framing == .chunked, .chunks: out.writeStaticString("Transfer-Encoding: chunked\r\n")
        case .raw, .plain, .empty: break
        }
        out.writeStaticString(ResponseHeaderName.cacheStatus)
        out.writeStaticString(": MISS\r\n")
        write(marks, into: &out)
        finish(note, into: &out)
        return out
    }

    /// The head of one of the gateway's own answers.
    static func own(
        status: Int, contentType: StaticString, length: Int, note: ConnectionNote, marks: Marks?
    ) -> ByteBuffer {
        var out = ByteBuffer()
        out.reserveCapacity(384)
        HeadWriter.statusLine(status, into: &out)
        out.writeStaticString("Content-Type: ")
        out.writeStaticString(contentType)
        out.writeStaticString("\r\nContent-Length: ")
        writeNumber(length, into: &out)
        out.writeStaticString("\r\n")
        if let marks { write(marks, into: &out) }
        finish(note, into: &out)
        return out
    }

    /// Answers to HEAD and 304 may announce a length without a body; 204 and 1xx may not (RFC 9110 §8.6).
    private static func allowsLength(_ head: ResponseHead, _ isHeadMethod: Bool) -> Bool {
        isHeadMethod || head.status == 304 || head.status >= 200 && head.status != 204
    }

    private static func write(_ marks: Marks, into out: inout ByteBuffer) {
        if let log = marks.logID {
            out.writeStaticString(ResponseHeaderName.logID)
            out.writeStaticString(": ")
            log.write(into: &out)
            out.writeStaticString("\r\n")
        }
        out.writeStaticString(ResponseHeaderName.eventID)
        out.writeStaticString(": ")
        out.writeString(marks.eventID)
        out.writeStaticString("\r\n")
        out.writeStaticString(ResponseHeaderName.requestID)
        out.writeStaticString(": ")
        marks.requestID.write(into: &out)
        out.writeStaticString("\r\n")
        if let step = marks.step {
            out.writeStaticString(ResponseHeaderName.step)
            out.writeStaticString(": ")
            writeNumber(step, into: &out)
            out.writeStaticString("\r\n")
        }
    }

    private static func finish(_ note: ConnectionNote, into out: inout ByteBuffer) {
        switch note {
        case .none: out.writeStaticString("\r\n")
        case .close: out.writeStaticString("Connection: close\r\n\r\n")
        case .keepAlive: out.writeStaticString("Connection: keep-alive\r\n\r\n")
        }
    }

    /// Decimal digits without an intermediate string.
    static func writeNumber(_ number: Int, into out: inout ByteBuffer) {
        if number >= 0, number < 10 {
            out.writeInteger(UInt8(0x30 + number))
        } else {
            out.writeString(String(number))
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
