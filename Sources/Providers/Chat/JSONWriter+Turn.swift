import NIOCore
import WireFormats

extension JSONWriter {
    /// A list of values that are JSON text already.
    mutating func list(_ values: [ByteBuffer]) {
        beginArray()
        for value in values { raw(value) }
        endArray()
    }

    /// A message whose content is a list of blocks, as providers with typed blocks want it.
    mutating func turn(_ role: String, _ blocks: [ByteBuffer]) {
        beginObject()
        key("role")
        string(role)
        key("content")
        list(blocks)
        endObject()
    }
}
