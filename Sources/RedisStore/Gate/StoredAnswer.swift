package import GatewayCore
package import NIOCore

/// The bytes under which an answer is kept, and the head of a stream that is under way.
///
/// Fields are numbered (`TaggedWriter`); a version that this process does not know is no answer.
package enum StoredAnswer {
    private static let version: UInt64 = 1

    private enum Field {
        static let version: UInt16 = 1
        static let status: UInt16 = 2
        static let contentType: UInt16 = 3
        static let contentEncoding: UInt16 = 4
        static let isStream: UInt16 = 5
        static let payload: UInt16 = 6
    }

    package static func bytes(_ answer: KeptAnswer) -> ByteBuffer {
        var out = TaggedWriter()
        out.buffer.reserveCapacity(answer.payload.readableBytes + 256)
        write(answer.form, into: &out)
        out.write(Field.payload, bytes: answer.payload)
        return out.buffer
    }

    package static func bytes(_ form: AnswerForm) -> ByteBuffer {
        var out = TaggedWriter()
        write(form, into: &out)
        return out.buffer
    }

    private static func write(_ form: AnswerForm, into out: inout TaggedWriter) {
        out.write(Field.version, version)
        out.write(Field.status, UInt64(clamping: form.status))
        out.write(Field.contentType, form.contentType)
        out.write(Field.contentEncoding, form.contentEncoding)
        out.write(Field.isStream, form.delivery == .stream)
    }

    /// Nil when the bytes are damaged, cut or of another version.
    package static func answer(_ bytes: ByteBuffer) -> KeptAnswer? {
        guard let read = read(bytes), let payload = read.payload else { return nil }
        return KeptAnswer(form: read.form, payload: payload)
    }

    /// Nil when the bytes are damaged, cut or of another version.
    package static func form(_ bytes: ByteBuffer) -> AnswerForm? { read(bytes)?.form }

    private static func read(_ bytes: ByteBuffer) -> (form: AnswerForm, payload: ByteBuffer?)? {
        var reader = TaggedReader(bytes)
        var form = AnswerForm(status: 0, contentType: nil, delivery: .whole)
        var payload: ByteBuffer?
        var isKnownVersion = false
        while let field = reader.next() {
            switch field.number {
            case Field.version: isKnownVersion = field.unsigned == version
            case Field.status: form.status = Int(clamping: field.unsigned)
            case Field.contentType: form.contentType = field.string
            case Field.contentEncoding: form.contentEncoding = field.string
            case Field.isStream: form.delivery = field.bool ? .stream : .whole
            case Field.payload: payload = field.buffer
            default: break
            }
        }
        guard isKnownVersion, !reader.isDamaged, (200..<600).contains(form.status) else { return nil }
        return (form, payload)
    }
}
