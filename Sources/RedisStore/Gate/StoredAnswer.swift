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
        var out = ByteBuffer()
        out.compose(capacity: length(answer)) { write(answer, into: &$0) }
        return out
    }

    package static func bytes(_ form: AnswerForm) -> ByteBuffer {
        var out = ByteBuffer()
        out.compose(capacity: length(form)) { write(form, into: &$0) }
        return out
    }

    /// How many bytes `write` takes for an answer.
    static func length(_ answer: KeptAnswer) -> Int {
        length(answer.form) + headOfBytes + answer.payload.readableBytes
    }

    static func write(_ answer: KeptAnswer, into out: inout RawWriter) {
        write(answer.form, into: &out)
        begin(Field.payload, answer.payload.readableBytes, into: &out)
        unsafe answer.payload.withUnsafeReadableBytes { unsafe out.write($0) }
    }

    /// A field's number and type, and the length of bytes.
    private static let headOfBytes = 6
    /// A field's number and type, and a number below 128.
    private static let smallNumber = 3
    /// A field's number and type, and a number of two groups of seven bits.
    private static let status = 4

    private static func length(_ form: AnswerForm) -> Int {
        var length = smallNumber + status
        if let type = form.contentType { length += headOfBytes + type.utf8.count }
        if let encoding = form.contentEncoding { length += headOfBytes + encoding.utf8.count }
        if form.delivery == .stream { length += smallNumber }
        return length
    }

    /// Writes the fields as `TaggedWriter` would, into space whose size is known.
    private static func write(_ form: AnswerForm, into out: inout RawWriter) {
        out.write(integer: Field.version << 2)
        out.write(byte: UInt8(version))
        let code = UInt16(clamping: form.status) & 0x3fff
        out.write(integer: Field.status << 2)
        out.write(byte: UInt8(code & 0x7f) | 0x80)
        out.write(byte: UInt8(code >> 7))
        if let type = form.contentType { write(Field.contentType, type, into: &out) }
        if let encoding = form.contentEncoding { write(Field.contentEncoding, encoding, into: &out) }
        if form.delivery == .stream {
            out.write(integer: Field.isStream << 2)
            out.write(byte: 1)
        }
    }

    private static func write(_ field: UInt16, _ text: String, into out: inout RawWriter) {
        begin(field, text.utf8.count, into: &out)
        out.write(text)
    }

    private static func begin(_ field: UInt16, _ length: Int, into out: inout RawWriter) {
        out.write(integer: field << 2 | 1)
        out.write(integer: UInt32(length))
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
