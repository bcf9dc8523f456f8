import CLibPQ
package import GatewayCore

/// The rows a statement returned, and how many it touched.
package struct PostgresRows: Sendable, RandomAccessCollection {
    private let result: PostgresResult

    init(_ result: PostgresResult) { self.result = result }

    package var startIndex: Int { 0 }
    package var endIndex: Int { result.rowCount }
    package subscript(position: Int) -> PostgresRow { PostgresRow(result: result, row: position) }

    /// Rows inserted, updated, deleted or selected.
    package var affected: Int { result.affected }
}

/// One row; columns are asked for by name.
///
/// A missing column, an unexpected NULL and a value of another form are `PostgresError.unexpectedResult`.
package struct PostgresRow: Sendable {
    fileprivate let result: PostgresResult
    fileprivate let row: Int

    package func isNull(_ column: String) throws(PostgresError) -> Bool {
        result.isNull(row, try result.column(column))
    }

    package func textOrNil(_ column: String) throws(PostgresError) -> String? {
        let index = try result.column(column)
        return result.isNull(row, index) ? nil : result.text(row, index)
    }

    package func text(_ column: String) throws(PostgresError) -> String {
        try required(textOrNil(column), column)
    }

    package func intOrNil(_ column: String) throws(PostgresError) -> Int? {
        guard let text = try textOrNil(column) else { return nil }
        guard let number = Int(text) else { throw malformed(column) }
        return number
    }

    package func int(_ column: String) throws(PostgresError) -> Int { try required(intOrNil(column), column) }

    package func doubleOrNil(_ column: String) throws(PostgresError) -> Double? {
        guard let text = try textOrNil(column) else { return nil }
        guard let number = Double(text) else { throw malformed(column) }
        return number
    }

    package func double(_ column: String) throws(PostgresError) -> Double { try required(doubleOrNil(column), column) }

    package func boolOrNil(_ column: String) throws(PostgresError) -> Bool? {
        switch try textOrNil(column) {
        case nil: return nil
        case "t": return true
        case "f": return false
        default: throw malformed(column)
        }
    }

    package func bool(_ column: String) throws(PostgresError) -> Bool { try required(boolOrNil(column), column) }

    /// A `bytea`.
    package func bytesOrNil(_ column: String) throws(PostgresError) -> [UInt8]? {
        let index = try result.column(column)
        if result.isNull(row, index) { return nil }
        guard let bytes = result.hexadecimal(row, index) else { throw malformed(column) }
        return bytes
    }

    package func bytes(_ column: String) throws(PostgresError) -> [UInt8] { try required(bytesOrNil(column), column) }

    /// A `timestamptz`.
    package func instantOrNil(_ column: String) throws(PostgresError) -> Instant? {
        guard let text = try textOrNil(column) else { return nil }
        guard let instant = Instant(postgresText: text) else { throw malformed(column) }
        return instant
    }

    package func instant(_ column: String) throws(PostgresError) -> Instant {
        try required(instantOrNil(column), column)
    }

    /// A `text[]` of one dimension without NULLs.
    package func textsOrNil(_ column: String) throws(PostgresError) -> [String]? {
        guard let text = try textOrNil(column) else { return nil }
        guard let elements = Self.elements(ofArray: text) else { throw malformed(column) }
        return elements
    }

    package func texts(_ column: String) throws(PostgresError) -> [String] { try required(textsOrNil(column), column) }

    private func required<T>(_ value: T?, _ column: String) throws(PostgresError) -> T {
        guard let value else { throw PostgresError(.unexpectedResult, "column \(column) is null") }
        return value
    }

    private func malformed(_ column: String) -> PostgresError {
        PostgresError(.unexpectedResult, "column \(column) has an unexpected form")
    }

    /// Splits PostgreSQL's array notation, `{a,"b c","d\"e"}`.
    static func elements(ofArray text: String) -> [String]? {
        let bytes = Array(text.utf8)
        guard bytes.first == 0x7b, bytes.last == 0x7d, bytes.count >= 2 else { return nil }
        if bytes.count == 2 { return [] }
        var elements: [String] = []
        var current: [UInt8] = []
        var isQuoted = false
        var isEscaped = false
        for byte in bytes[1..<(bytes.count - 1)] {
            if isEscaped {
                current.append(byte)
                isEscaped = false
            } else if byte == 0x5c {
                isEscaped = true
            } else if byte == 0x22 {
                isQuoted.toggle()
            } else if byte == 0x2c, !isQuoted {
                elements.append(String(decoding: current, as: UTF8.self))
                current.removeAll(keepingCapacity: true)
            } else {
                current.append(byte)
            }
        }
        guard !isQuoted, !isEscaped else { return nil }
        elements.append(String(decoding: current, as: UTF8.self))
        return elements
    }
}

extension Instant {
    /// Reads `2026-11-22 18:06:59.123456+00` (ISO date style, session time zone UTC); nil for anything else.
    init?(postgresText text: String) {
        let bytes = Array(text.utf8)
        var position = 0
        func number() -> Int64? {
            let start = position
            var value: Int64 = 0
            while position < bytes.count, (0x30...0x39).contains(bytes[position]), position - start < 9 {
                value = value * 10 + Int64(bytes[position] - 0x30)
                position += 1
            }
            return position > start ? value : nil
        }
        func skip(_ byte: UInt8) -> Bool {
            guard position < bytes.count, bytes[position] == byte else { return false }
            position += 1
            return true
        }
        guard let year = number(), skip(0x2d), let month = number(), skip(0x2d), let day = number(), skip(0x20),
            let hour = number(), skip(0x3a), let minute = number(), skip(0x3a), let second = number()
        else { return nil }
        var fraction: Int64 = 0
        if skip(0x2e) {
            let start = position
            guard let digits = number(), position - start <= 6 else { return nil }
            fraction = digits
            for _ in (position - start)..<6 { fraction *= 10 }
        }
        guard bytes[position...].elementsEqual("+00".utf8), (1...12).contains(month) else { return nil }
        // Days since 1970-01-01 of the proleptic Gregorian calendar, counting years from March.
        let shifted = month > 2 ? year : year - 1
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        let days = era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
        self.init(microseconds: (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + fraction)
    }
}
