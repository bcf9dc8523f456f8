import NIOCore
import WireFormats

/// Writes the events of a streamed Responses answer, numbered, and keeps the answer that they add up to.
struct ResponsesEvents: Sendable {
    var answer: ResponsesAnswer
    private(set) var hasBegun = false
    private var number = 0
    /// Blocks of thought by item.
    private var blocks: [Int: [String]] = [:]

    init(_ answer: ResponsesAnswer) { self.answer = answer }

    private mutating func event(_ type: StaticString, into out: inout ByteBuffer, _ body: (inout JSONWriter) -> Void) {
        out.writeStaticString("event: ")
        out.writeStaticString(type)
        out.writeStaticString("\ndata: ")
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("type")
        writer.string(type.description)
        writer.key("sequence_number")
        writer.int(number)
        body(&writer)
        writer.endObject()
        out.writeImmutableBuffer(writer.buffer)
        out.writeStaticString("\n\n")
        number += 1
    }

    /// An event about a part of an item.
    private mutating func event(
        _ type: StaticString, item index: Int, part: (name: StaticString, index: Int)? = nil,
        into out: inout ByteBuffer, _ body: (inout JSONWriter) -> Void
    ) {
        let id = answer.items[index].id
        event(type, into: &out) { writer in
            writer.key("item_id")
            writer.string(id)
            writer.key("output_index")
            writer.int(index)
            if let part {
                writer.key(part.name)
                writer.int(part.index)
            }
            body(&writer)
        }
    }

    /// Tells once that there is an answer.
    mutating func begin(_ chunk: JSONView, into out: inout ByteBuffer) {
        answer.identify(chunk)
        guard !hasBegun else { return }
        hasBegun = true
        let answer = answer
        for type in ["response.created", "response.in_progress"] as [StaticString] {
            event(type, into: &out) { writer in
                writer.key("response")
                answer.write(into: &writer)
            }
        }
    }

    /// Tells how it ended; with everything that was told.
    mutating func end(_ status: ResponsesAnswer.Status, into out: inout ByteBuffer) {
        answer.status = status
        let type: StaticString =
            switch status {
            case .incomplete: "response.incomplete"
            case .failed: "response.failed"
            case .completed, .inProgress: "response.completed"
            }
        let answer = answer
        event(type, into: &out) { writer in
            writer.key("response")
            answer.write(into: &writer)
        }
    }

    /// Adds an item; returns its place.
    mutating func add(_ kind: ResponsesItem.Kind, into out: inout ByteBuffer) -> Int {
        let index = answer.items.count
        let prefix: String =
            switch kind {
            case .reasoning: "rs_"
            case .message: "msg_"
            case .call: "fc_"
            }
        let item = ResponsesItem(id: "\(prefix)\(answer.stem)_\(index)", kind: kind)
        answer.items.append(item)
        event("response.output_item.added", into: &out) { writer in
            writer.key("output_index")
            writer.int(index)
            writer.key("item")
            item.write(into: &writer)
        }
        return index
    }

    mutating func reasoning(_ text: String, in index: Int, into out: inout ByteBuffer) {
        if answer.items[index].text.isEmpty {
            event("response.reasoning_summary_part.added", item: index, part: ("summary_index", 0), into: &out) {
                $0.key("part")
                ResponsesItem.writeSummary("", into: &$0)
            }
        }
        answer.items[index].text += text
        event("response.reasoning_summary_text.delta", item: index, part: ("summary_index", 0), into: &out) {
            $0.key("delta")
            $0.string(text)
        }
    }

    /// Keeps a block of thought that the client is to give back.
    mutating func block(_ text: String, in index: Int) { blocks[index, default: []].append(text) }

    mutating func text(_ text: String, in index: Int, into out: inout ByteBuffer) {
        beginText(in: index, into: &out)
        answer.items[index].text += text
        event("response.output_text.delta", item: index, part: ("content_index", 0), into: &out) {
            $0.key("delta")
            $0.string(text)
            $0.key("logprobs")
            $0.raw("[]")
        }
    }

    private mutating func beginText(in index: Int, into out: inout ByteBuffer) {
        let item = answer.items[index]
        guard item.text.isEmpty, item.annotations.isEmpty else { return }
        event("response.content_part.added", item: index, part: ("content_index", 0), into: &out) {
            $0.key("part")
            item.writeText(into: &$0)
        }
    }

    mutating func annotation(_ text: String, in index: Int, into out: inout ByteBuffer) {
        beginText(in: index, into: &out)
        let number = answer.items[index].annotations.count
        answer.items[index].annotations.append(text)
        event("response.output_text.annotation.added", item: index, part: ("content_index", 0), into: &out) {
            $0.key("annotation_index")
            $0.int(number)
            $0.key("annotation")
            $0.raw(text)
        }
    }

    mutating func refusal(_ text: String, in index: Int, into out: inout ByteBuffer) {
        let place = hasText(index) ? 1 : 0
        if answer.items[index].refusal.isEmpty {
            event("response.content_part.added", item: index, part: ("content_index", place), into: &out) {
                $0.key("part")
                ResponsesItem.writeRefusal("", into: &$0)
            }
        }
        answer.items[index].refusal += text
        event("response.refusal.delta", item: index, part: ("content_index", place), into: &out) {
            $0.key("delta")
            $0.string(text)
        }
    }

    private func hasText(_ index: Int) -> Bool {
        !answer.items[index].text.isEmpty || !answer.items[index].annotations.isEmpty
    }

    mutating func arguments(_ piece: String, in index: Int, into out: inout ByteBuffer) {
        answer.items[index].text += piece
        event("response.function_call_arguments.delta", item: index, into: &out) {
            $0.key("delta")
            $0.string(piece)
        }
    }

    /// Tells that an item is over.
    mutating func close(
        _ index: Int, _ status: ResponsesItem.Status, by provider: String, into out: inout ByteBuffer
    ) {
        answer.items[index].status = status
        if let blocks = blocks[index] {
            answer.items[index].sealed = ResponsesReasoning.sealed(blocks, by: provider, answer.model)
        }
        let item = answer.items[index]
        switch item.kind {
        case .reasoning: if !item.text.isEmpty { closeSummary(item, index, into: &out) }
        case .message: closeMessage(item, index, into: &out)
        case .call(_, let name):
            if item.text.isEmpty { answer.items[index].text = "{}" }
            let text = answer.items[index].text
            event("response.function_call_arguments.done", item: index, into: &out) {
                $0.key("name")
                $0.string(name)
                $0.key("arguments")
                $0.string(text)
            }
        }
        let last = answer.items[index]
        event("response.output_item.done", into: &out) { writer in
            writer.key("output_index")
            writer.int(index)
            writer.key("item")
            last.write(into: &writer)
        }
    }

    private mutating func closeSummary(_ item: ResponsesItem, _ index: Int, into out: inout ByteBuffer) {
        event("response.reasoning_summary_text.done", item: index, part: ("summary_index", 0), into: &out) {
            $0.key("text")
            $0.string(item.text)
        }
        event("response.reasoning_summary_part.done", item: index, part: ("summary_index", 0), into: &out) {
            $0.key("part")
            ResponsesItem.writeSummary(item.text, into: &$0)
        }
    }

    private mutating func closeMessage(_ item: ResponsesItem, _ index: Int, into out: inout ByteBuffer) {
        if hasText(index) {
            event("response.output_text.done", item: index, part: ("content_index", 0), into: &out) {
                $0.key("text")
                $0.string(item.text)
                $0.key("logprobs")
                $0.raw("[]")
            }
            event("response.content_part.done", item: index, part: ("content_index", 0), into: &out) {
                $0.key("part")
                item.writeText(into: &$0)
            }
        }
        guard !item.refusal.isEmpty else { return }
        let place = hasText(index) ? 1 : 0
        event("response.refusal.done", item: index, part: ("content_index", place), into: &out) {
            $0.key("refusal")
            $0.string(item.refusal)
        }
        event("response.content_part.done", item: index, part: ("content_index", place), into: &out) {
            $0.key("part")
            ResponsesItem.writeRefusal(item.refusal, into: &$0)
        }
    }
}
