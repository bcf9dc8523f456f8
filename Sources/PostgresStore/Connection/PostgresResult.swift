import CLibPQ

/// A `PGresult` and its life.
///
/// All columns are in text notation.
@safe final class PostgresResult: @unchecked Sendable {
    // SAFETY: libpq never changes a result after it was returned; it is read here and freed once, in deinit.
    private let raw: OpaquePointer
    private let columns: [String: Int32]
    let rowCount: Int

    init(owning raw: OpaquePointer) {
        unsafe self.raw = unsafe raw
        rowCount = Int(unsafe PQntuples(raw))
        var columns: [String: Int32] = [:]
        for index in 0..<(unsafe PQnfields(raw)) {
            if let name = unsafe PQfname(raw, index) { columns[unsafe String(cString: name)] = index }
        }
        self.columns = columns
    }

    deinit { unsafe PQclear(raw) }

    var status: ExecStatusType { unsafe PQresultStatus(raw) }

    var affected: Int {
        guard let text = unsafe PQcmdTuples(raw) else { return 0 }
        return Int(unsafe String(cString: text)) ?? 0
    }

    func column(_ name: String) throws(PostgresError) -> Int32 {
        guard let index = columns[name] else {
            throw PostgresError(.unexpectedResult, "the result has no column \(name)")
        }
        return index
    }

    func isNull(_ row: Int, _ column: Int32) -> Bool { unsafe PQgetisnull(raw, Int32(row), column) != 0 }

    private func bytes(_ row: Int, _ column: Int32) -> UnsafeRawBufferPointer {
        unsafe UnsafeRawBufferPointer(
            start: PQgetvalue(raw, Int32(row), column), count: Int(PQgetlength(raw, Int32(row), column))
        )
    }

    func text(_ row: Int, _ column: Int32) -> String {
        unsafe String(decoding: bytes(row, column), as: UTF8.self)
    }

    /// Decodes `\x…`; nil when the value has another form.
    func hexadecimal(_ row: Int, _ column: Int32) -> [UInt8]? {
        let source = unsafe bytes(row, column)
        guard source.count >= 2, source.count % 2 == 0, unsafe source[0] == 0x5c,
            unsafe source[1] == 0x78
        else { return nil }
        let count = source.count / 2 - 1
        var isValid = true
        let decoded = unsafe [UInt8](unsafeUninitializedCapacity: count) { target, used in
            for index in 0..<count {
                let high = unsafe Self.digit(source[2 + 2 * index])
                let low = unsafe Self.digit(source[3 + 2 * index])
                if high > 15 || low > 15 { isValid = false }
                unsafe target[index] = high &<< 4 | low
            }
            used = count
        }
        return isValid ? decoded : nil
    }

    private static func digit(_ byte: UInt8) -> UInt8 {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x61...0x66: byte - 0x57
        default: 0xff
        }
    }

    /// What the server said, when the status is an error.
    var error: PostgresError {
        let state = field("C")
        var message = field("M") ?? "no message"
        // Messages about unacceptable values quote them after a colon; values stay out of logs.
        if let state, state.hasPrefix("22"), let colon = message.firstIndex(of: ":") {
            message = String(message[..<colon])
        }
        let isAway = state.map(PostgresError.isUnavailability) ?? true
        return PostgresError(isAway ? .unavailable : .refused, message, sqlState: state, constraint: field("n"))
    }

    private func field(_ code: UnicodeScalar) -> String? {
        guard let text = unsafe PQresultErrorField(raw, Int32(code.value)) else { return nil }
        return unsafe String(cString: text)
    }
}
