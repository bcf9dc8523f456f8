import Glibc
import NIOCore

/// How the events of a stream are written.
package enum EventFraming: Sendable {
    /// `text/event-stream`
    case sse
    /// `application/vnd.amazon.eventstream`
    case amazon
}

/// Why the events of a stream cannot be read further.
package enum EventReaderError: Error, Equatable, Sendable {
    case sse(SSEError)
    case amazon(EventStreamError)
}

/// Reads the events of a stream in either framing as pairs of a name and data.
///
/// A frame's name is its event type, its data the payload. What a frame reports as an exception or an error gets the
/// name `exception:` and its type, and an object with the `message` as data.
package struct EventReader: Sendable {
    /// What the names of reported failures begin with; no event type has a colon.
    package static let exceptionPrefix: StaticString = "exception:"

    /// Whether an event's name says that it reports a failure.
    package static func isException(_ name: UnsafeRawBufferPointer) -> Bool {
        let length = exceptionPrefix.utf8CodeUnitCount
        guard name.count >= length, let start = name.baseAddress else { return false }
        return memcmp(start, exceptionPrefix.utf8Start, length) == 0
    }

    private var sse = SSEParser()
    private var frames: EventStreamParser?

    package init(_ framing: EventFraming = .sse) {
        if framing == .amazon { frames = EventStreamParser() }
    }

    /// Takes the next piece and calls `event` for each event that ends in it; `name` may be empty.
    package mutating func feed(
        _ bytes: UnsafeRawBufferPointer,
        event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) throws(EventReaderError) {
        if frames == nil {
            do throws(SSEError) { try sse.feed(bytes, event: event) } catch { throw .sse(error) }
        } else {
            do throws(EventStreamError) {
                try frames?.feed(bytes) { Self.tell($0, event) }
            } catch {
                throw .amazon(error)
            }
        }
    }

    /// Takes note that the stream has ended; of text, an event that lacks only its blank line is handed out.
    package mutating func finish(event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void) {
        if frames == nil { sse.finish(event: event) }
    }

    /// Hands out one frame.
    package static func tell(
        _ frame: EventStreamFrame,
        _ event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        switch frame.text(":message-type").map({ String(decoding: $0, as: UTF8.self) }) {
        case "exception": fail(frame.text(":exception-type") ?? nothing, frame.payload, event)
        case "error":
            var message = JSONWriter()
            message.beginObject()
            message.key("message")
            message.string(String(decoding: frame.text(":error-message") ?? nothing, as: UTF8.self))
            message.endObject()
            message.buffer.withUnsafeReadableBytes { fail(frame.text(":error-code") ?? nothing, $0, event) }
        default: event(frame.text(":event-type") ?? nothing, frame.payload)
        }
    }

    private static func fail(
        _ type: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer,
        _ event: (_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) -> Void
    ) {
        let prefix = UnsafeRawBufferPointer(start: exceptionPrefix.utf8Start, count: exceptionPrefix.utf8CodeUnitCount)
        (Array(prefix) + Array(type)).withUnsafeBytes { event($0, data) }
    }
}
