import NIOCore
import WireFormats

extension ChatCompletionRequest {
    /// The names of functions that were called in the history, each once.
    var calledFunctions: [String] {
        var found: [String] = []
        var known: Set<String> = []
        for message in messages {
            for call in message.calls where known.insert(call.name).inserted { found.append(call.name) }
        }
        return found
    }
}

extension JSONWriter {
    /// A schema of arguments, which has to be one of an object.
    mutating func objectSchema(_ schema: JSONView) {
        if schema.member("type")?.string == "object" { return raw(schema) }
        beginObject()
        key("type")
        string("object")
        schema.forEachMember { key, value in
            if key == "type" { return }
            self.key(named: key)
            raw(value)
        }
        endObject()
    }

    /// One value as it stands in another document.
    mutating func raw(_ view: JSONView) { raw(ByteBuffer(bytes: view.bytes)) }
}
