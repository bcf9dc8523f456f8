package import GatewayCore
import NIOCore
package import WireFormats

/// In which pieces an answer comes.
package enum StreamKind: Sendable {
    /// One JSON document.
    case whole
    /// Server-sent events.
    case sse
    /// Amazon's binary events.
    case eventStream
    /// Anything else: audio, images.
    case other

    /// How its events are written; nil where there are none.
    package var framing: EventFraming? {
        switch self {
        case .sse: .sse
        case .eventStream: .amazon
        case .whole, .other: nil
        }
    }
}

/// Finds the usage in an answer while it passes by; keeps no more of it than the members it wants.
///
/// - Limits: a wanted member of a whole answer is given up when it exceeds the format's limit; an event of a stream
///   at the SSE parser's. Usage is then unknown, never wrong.
package final class UsageReader {
    private enum Source {
        /// A JSON document of which nothing but whitespace has come.
        case unread
        case document(JSONCapture)
        case array(TailCapture)
        case events(SSEParser)
        case frames(EventStreamParser)
        case nothing
    }

    private let format: UsageFormat
    private var source: Source
    private var tally = UsageTally()
    /// Whether the answer so far is one JSON document, which came in one piece and was read to its end.
    package private(set) var sawDocument = false

    package init(format: UsageFormat, streamed: StreamKind) {
        self.format = format
        switch streamed {
        case .whole where !format.members.isEmpty: source = .unread
        case .sse: source = .events(SSEParser())
        case .eventStream: source = .frames(EventStreamParser())
        default: source = .nothing
        }
    }

    /// Takes the next decoded payload bytes of the answer, cut anywhere.
    package func feed(_ payload: UnsafeRawBufferPointer) {
        if sawDocument {
            // Whatever follows a document makes it another one, unless it is nothing.
            if !payload.isEmpty { sawDocument = false }
            return
        }
        if case .unread = source {
            guard let first = payload.first(where: { $0 != 0x20 && $0 != 0x0a && $0 != 0x0d && $0 != 0x09 }) else {
                return
            }
            // Most whole answers come in one piece: one scan, nothing is copied.
            if first == 0x7b, readWhole(payload) {
                source = .nothing
                sawDocument = true
                return
            }
            source =
                first == 0x5b && format.arrayMember != nil
                ? .array(TailCapture())
                : .document(
                    JSONCapture(
                        wanted: format.memberNames, limitPerMember: format.memberLimit, counted: format.countedMembers))
        }
        switch takeSource() {
        case .document(var capture):
            if !capture.isBroken { capture.feed(payload) }
            source = .document(capture)
        case .array(var tail):
            tail.feed(payload)
            source = .array(tail)
        case .events(var parser):
            do {
                try Self.feed(payload, &parser, format, &tally)
                source = .events(parser)
            } catch {
                // An event beyond the limit: the stream goes on, its usage and its end stay unknown.
                lose()
            }
        case .frames(var parser):
            do {
                try Self.feed(payload, &parser, format, &tally)
                source = .frames(parser)
            } catch {
                lose()
            }
        case .unread, .nothing: break
        }
    }

    /// Reads the answer when it is complete in `payload`; false when it is not, or is no JSON object.
    private func readWhole(_ payload: UnsafeRawBufferPointer) -> Bool {
        guard payload.last(where: { $0 > 0x20 }) == 0x7d,
            let found = JSONScan.topLevel(payload, wanted: format.memberNames)
        else { return false }
        for (index, member) in format.members.enumerated() {
            guard let range = found[index] else { continue }
            member.read(JSONView(UnsafeRawBufferPointer(rebasing: payload[range])), &tally)
        }
        return true
    }

    private func lose() {
        source = .nothing
        tally.expectsTerminal = false
    }

    private static func take(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ format: UsageFormat, _ tally: inout UsageTally
    ) {
        format.event(name, data, &tally)
        if tally.sawErrorEvent, tally.failure == nil { tally.failure = StreamFailure(name, data) }
    }

    /// Moves the source out, so that feeding it does not copy what it holds.
    private func takeSource() -> Source {
        var taken = Source.nothing
        swap(&taken, &source)
        return taken
    }

    private static func feed(
        _ payload: UnsafeRawBufferPointer, _ parser: inout SSEParser, _ format: UsageFormat, _ tally: inout UsageTally
    ) throws(SSEError) {
        try parser.feed(payload) { name, data in take(name, data, format, &tally) }
    }

    private static func feed(
        _ payload: UnsafeRawBufferPointer, _ parser: inout EventStreamParser, _ format: UsageFormat,
        _ tally: inout UsageTally
    ) throws(EventStreamError) {
        try parser.feed(payload) { EventReader.tell($0) { name, data in take(name, data, format, &tally) } }
    }

    /// Takes a response header whose lower-case name the format wants.
    package func note(header name: String, value: String) {
        for header in format.headers where header.name.description == name { header.read(value, &tally) }
    }

    /// Takes what the request says, for formats whose answers do not: the length of the text that is spoken, which
    /// also wins over a provider's count of credits (providers.md §18 row 9), and the model.
    ///
    /// - Parameters:
    ///   - body: the whole request body; nil when it is not at hand. A JSON object or a form with files; others say
    ///     nothing.
    ///   - query: without the question mark.
    package func note(request body: UnsafeRawBufferPointer?, query: String?) {
        let asked = format.asked
        if let view = body.map({ JSONView($0) }) {
            if let text = asked.text.flatMap({ view.member($0)?.string }) {
                tally.usage.characters = text.unicodeScalars.count
            }
            if let model = asked.model {
                tally.note(
                    requested: view.kind == .object
                        ? view.member(model)?.string : Self.field(model.description, of: view.bytes))
            }
        }
        guard let key = asked.modelKey, let query else { return }
        for pair in query.split(separator: "&") where pair.hasPrefix(key + "=") {
            tally.note(requested: UntrustedPath.percentDecoded(String(pair.dropFirst(key.utf8.count + 1))))
        }
    }

    /// The value of a field, where a request is a form.
    private static func field(_ name: String, of body: UnsafeRawBufferPointer) -> String? {
        guard FormCapture.mayBegin(body) else { return nil }
        var form = FormCapture(field: name)
        form.feed(body)
        return form.value
    }

    /// Takes the end of the answer, complete or not; afterwards `usage` is final.
    package func finish() {
        switch takeSource() {
        case .document(let capture):
            for (index, member) in format.members.enumerated() {
                capture.value(index)?.withUnsafeReadableBytes { member.read(JSONView($0), &tally) }
                if let count = capture.count(index) { member.count?(count, &tally) }
            }
        case .array(let tail):
            if let member = format.arrayMember { tail.read(member, &tally) }
        case .events(var parser):
            Self.finish(&parser, format, &tally)
        case .unread, .frames, .nothing: break
        }
        tally.usage.normalize()
    }

    private static func finish(_ parser: inout SSEParser, _ format: UsageFormat, _ tally: inout UsageTally) {
        parser.finish { name, data in take(name, data, format, &tally) }
    }

    /// What is known so far; nil members are unknown.
    package var usage: Usage { tally.usage }
    /// The model as the answer names it, else as the request named it in a place of its provider's own.
    package var model: String? { tally.model ?? tally.requestedModel }
    /// Whether a stream has said that it is complete (providers.md §3).
    package var sawTerminal: Bool { tally.sawTerminal }
    /// Whether a stream carried an error event.
    package var sawErrorEvent: Bool { tally.sawErrorEvent }
    /// The error that a stream told of after its head had told of success.
    package var failure: StreamFailure? { tally.failure }
    /// Whether a stream that ended now would lack its end: it began as streams of its dialect do, and neither its
    /// terminal signal nor an error has come.
    package var isUnfinished: Bool { tally.expectsTerminal && !tally.sawTerminal && !tally.sawErrorEvent }
}
