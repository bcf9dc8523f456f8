package import GatewayCore
package import NIOCore

/// A value bound to a parameter of a statement.
package enum PostgresValue: Sendable, Equatable {
    case null
    case text(String)
    case int(Int)
    case bool(Bool)
    case double(Double)
    /// `bytea`.
    case bytes([UInt8])
    /// `bytea`.
    case buffer(ByteBuffer)
    /// `numeric` in decimal notation.
    case numeric(String)
    /// `jsonb` as JSON text.
    case json(String)
    /// `timestamptz`.
    case instant(Instant)
    /// `text[]`.
    case texts([String])
    /// `bigint[]`.
    case ints([Int])

    /// `.text` or `.null`.
    package static func text(_ value: String?) -> PostgresValue { value.map { .text($0) } ?? .null }
    /// `.int` or `.null`.
    package static func int(_ value: Int?) -> PostgresValue { value.map { .int($0) } ?? .null }
    /// `.json` or `.null`.
    package static func json(_ value: String?) -> PostgresValue { value.map { .json($0) } ?? .null }
    /// `.instant` or `.null`.
    package static func instant(_ value: Instant?) -> PostgresValue { value.map { .instant($0) } ?? .null }

    /// Object id of the parameter's type; 0 lets the server infer it.
    var typeID: UInt32 {
        switch self {
        case .null: 0
        case .text: 25
        case .int: 20
        case .bool: 16
        case .double: 701
        case .bytes, .buffer: 17
        case .numeric: 1700
        case .json: 3802
        case .instant: 1184
        case .texts: 1009
        case .ints: 1016
        }
    }

    /// 0: text notation, 1: binary.
    ///
    /// Text goes as binary so that its length counts, not a zero byte in it.
    var format: Int32 {
        switch self {
        case .null, .bool, .double, .numeric, .texts, .ints: 0
        case .text, .int, .bytes, .buffer, .json, .instant: 1
        }
    }

    /// The bytes on the wire, without a terminator; nil for NULL.
    var encoded: [UInt8]? {
        switch self {
        case .null: nil
        case .text(let text): Array(text.utf8)
        case .int(let number): Self.bigEndian(Int64(number))
        case .bool(let value): [value ? 0x74 : 0x66]
        case .double(let value): Array("\(value)".utf8)
        case .bytes(let bytes): bytes
        case .buffer(let buffer): Array(buffer.readableBytesView)
        case .numeric(let text): Array(text.utf8)
        case .json(let text): [1] + Array(text.utf8)
        case .instant(let instant): Self.bigEndian(instant.postgresMicroseconds)
        case .texts(let texts): Self.arrayLiteral(texts)
        case .ints(let numbers): Array(("{" + numbers.map(String.init).joined(separator: ",") + "}").utf8)
        }
    }

    private static func bigEndian(_ value: Int64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: value >> (56 - 8 * Int64($0))) }
    }

    private static func arrayLiteral(_ texts: [String]) -> [UInt8] {
        var literal: [UInt8] = [0x7b]
        for (index, text) in texts.enumerated() {
            if index > 0 { literal.append(0x2c) }
            literal.append(0x22)
            for byte in text.utf8 {
                if byte == 0x22 || byte == 0x5c { literal.append(0x5c) }
                literal.append(byte)
            }
            literal.append(0x22)
        }
        literal.append(0x7d)
        return literal
    }
}

extension Instant {
    /// Microseconds from 1970-01-01 to PostgreSQL's epoch, 2000-01-01.
    static let postgresEpoch: Int64 = 946_684_800_000_000

    /// Microseconds since 2000-01-01, held inside the range of `timestamptz` on the wire.
    var postgresMicroseconds: Int64 {
        // 4714 BC to 294276 AD; outside of it the server would refuse the row.
        min(max(microseconds, -210_866_803_200_000_000), 9_223_371_331_200_000_000 - 1) - Self.postgresEpoch
    }
}
