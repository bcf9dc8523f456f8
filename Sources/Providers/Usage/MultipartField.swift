import CByteKernels

/// A short text field of a form with files (RFC 7578), as clients of transcriptions send it.
enum MultipartField {
    /// Bytes of the longest value.
    private static let limit = 256

    /// The value of the first field with this name; nil when the bytes are no form or have none.
    ///
    /// A file's name and contents cannot be taken for it: a field's head begins behind a line with the boundary.
    static func value(_ name: String, in body: UnsafeRawBufferPointer) -> String? {
        guard body.starts(with: "--".utf8) else { return nil }
        var lineEnd = 0
        while lineEnd < body.count, body[lineEnd] != 0x0d { lineEnd += 1 }
        // A boundary has at most 70 characters.
        guard lineEnd > 2, lineEnd <= 72 else { return nil }
        let boundary = Array(body[..<lineEnd])
        let wanted = Array("name=\"\(name)\"".utf8)
        var at = 0
        while at + boundary.count + 2 <= body.count {
            let headStart = at + boundary.count + 2
            guard let headEnd = position(of: Array("\r\n\r\n".utf8), in: body, from: headStart - 2, within: 4096) else {
                return nil
            }
            let valueStart = headEnd + 4
            let end = position(of: Array("\r\n".utf8) + boundary, in: body, from: valueStart, within: .max)
            if isField(UnsafeRawBufferPointer(rebasing: body[(headStart - 2)..<headEnd]), wanted), let end {
                guard end - valueStart <= limit else { return nil }
                return String(decoding: body[valueStart..<end], as: UTF8.self)
            }
            guard let end else { return nil }
            at = end + 2
        }
        return nil
    }

    private static func isField(_ head: UnsafeRawBufferPointer, _ wanted: [UInt8]) -> Bool {
        guard let found = position(of: wanted, in: head, from: 0, within: .max), found > 0 else { return false }
        // `filename="model"` is no field's name.
        return head[found - 1] == 0x20 || head[found - 1] == 0x3b
    }

    private static func position(
        of needle: [UInt8], in body: UnsafeRawBufferPointer, from start: Int, within limit: Int
    ) -> Int? {
        guard start < body.count else { return nil }
        let end = limit < body.count - start ? start + limit : body.count
        guard let base = body.baseAddress else { return nil }
        let found = needle.withUnsafeBytes { aig_find(base + start, end - start, $0.baseAddress, $0.count) }
        return found < 0 ? nil : start + found
    }
}
