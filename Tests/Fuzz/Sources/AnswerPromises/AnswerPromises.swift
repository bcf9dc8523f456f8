import FuzzDriver
import GatewayCore
package import NIOCore
package import Providers
import WireFormats

/// What holds for the answers of every translator, whatever its provider sent.
package enum AnswerPromises {
    /// How a translator's streams tell of their end.
    package enum Closing {
        /// The event `[DONE]`, after which nothing comes; all others are JSON.
        case done
        /// The same, where payloads that are no JSON object go on as they are.
        case doneAmongAnything
        /// One of the events that end a response.
        case response
    }

    package static func isJSON(_ bytes: ByteBuffer) -> Bool {
        bytes.withUnsafeReadableBytes { JSONScan.validate($0) }
    }

    /// A whole answer that was made is JSON, and so is what becomes of an error.
    package static func whole(
        _ bytes: UnsafeRawBufferPointer, _ translator: any ChatAnswerTranslator, _ terms: ChatTerms = ChatTerms()
    ) {
        var notes: [ReasoningNote] = []
        switch try? translator.answer(bytes, terms, noting: &notes) {
        case .completion(let json)?:
            let isQuoted = translator.foreignAnswers == .relayed && !JSONScan.validate(bytes)
            precondition(isQuoted || isJSON(json), "the answer is no JSON")
        case .failure(let failure)?: check(failure)
        case nil: break
        }
        check(translator.failure(status: 500, bytes))
    }

    private static func check(_ failure: ChatFailure) {
        precondition(isJSON(failure.json), "an error is no JSON")
        precondition((400...599).contains(failure.status), "an error with the status of a success")
    }

    /// However a stream is cut, the client gets the same, and it is told of an end exactly when there was one.
    package static func streamed(
        _ bytes: UnsafeRawBufferPointer, _ translator: any ChatAnswerTranslator, _ terms: ChatTerms = ChatTerms(),
        step: Int, _ closing: Closing
    ) {
        let (out, state) = events(bytes, translator.stream(terms), step: .max >> 1)
        let (cut, cutState) = events(bytes, translator.stream(terms), step: step)
        precondition(
            withoutMadeUpIDs(out) == withoutMadeUpIDs(cut) && state == cutState, "cutting the stream changed the answer"
        )
        if case .failed(let failure) = state { check(failure) }
        var parser = SSEParser()
        var isDone = false
        out.withUnsafeReadableBytes { raw in
            try? parser.feed(raw) { name, data in
                precondition(!isDone, "an event after the last one")
                isDone = ends(name, data, closing)
                let mayBeAnything = closing == .doneAmongAnything
                precondition(isDone || mayBeAnything || JSONScan.validate(data), "an event is no JSON")
            }
        }
        switch closing {
        case .done, .doneAmongAnything:
            precondition(isDone == (state == .complete), "only what is complete has a last event")
        case .response: precondition(isDone || state != .complete, "what is complete has a last event")
        }
    }

    /// The same bytes with a dot for each random letter of an id that a translator made up for a call.
    private static func withoutMadeUpIDs(_ events: ByteBuffer) -> [UInt8] {
        let prefix = Array("call_".utf8)
        let length = 24
        var bytes = Array(events.readableBytesView)
        var at = 0
        while at + prefix.count + length <= bytes.count {
            guard bytes[at] == prefix[0], bytes[at..<at + prefix.count].elementsEqual(prefix) else {
                at += 1
                continue
            }
            let start = at + prefix.count
            let letters = bytes[start..<start + length]
            guard letters.allSatisfy(isLetterOrDigit) else {
                at = start
                continue
            }
            for index in letters.indices { bytes[index] = UInt8(ascii: ".") }
            at = start + length
        }
        return bytes
    }

    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "a")...UInt8(ascii: "z"):
            true
        default: false
        }
    }

    private static func ends(
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ closing: Closing
    ) -> Bool {
        switch closing {
        case .done, .doneAmongAnything: data.elementsEqual("[DONE]".utf8)
        case .response:
            ["response.completed", "response.incomplete", "response.failed"].contains { name.elementsEqual($0.utf8) }
        }
    }

    /// The events for the client, and how the stream ended.
    private static func events(
        _ bytes: UnsafeRawBufferPointer, _ translator: any ChatStreamTranslator, step: Int
    ) -> (out: ByteBuffer, state: ChatStreamState) {
        var stream = translator
        var parser = SSEParser()
        var out = ByteBuffer()
        bytes.inPieces(of: step) { piece in
            do {
                try parser.feed(piece) { stream.take($0, $1, into: &out) }
                return true
            } catch {
                return false
            }
        }
        parser.finish { stream.take($0, $1, into: &out) }
        stream.finish(into: &out)
        return (out, stream.state)
    }
}
