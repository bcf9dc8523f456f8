/// Writes frames of a binary event stream, with checksums computed bit by bit.
package enum EventFrame {
    /// The bytes of a frame with string headers.
    package static func bytes(_ headers: [(name: String, value: String)], _ payload: String) -> [UInt8] {
        var block: [UInt8] = []
        for header in headers { block += string(header.name, header.value) }
        return bytes(headers: block, payload: Array(payload.utf8))
    }

    /// The bytes of an ordinary event.
    package static func event(_ type: String, _ payload: String) -> [UInt8] {
        bytes(
            [(":event-type", type), (":content-type", "application/json"), (":message-type", "event")], payload
        )
    }

    /// The bytes of an exception.
    package static func exception(_ type: String, _ payload: String) -> [UInt8] {
        bytes(
            [(":exception-type", type), (":content-type", "application/json"), (":message-type", "exception")], payload
        )
    }

    /// The bytes of a header whose value is a string.
    package static func string(_ name: String, _ value: String) -> [UInt8] {
        [UInt8(name.utf8.count)] + Array(name.utf8) + [7] + number(UInt16(value.utf8.count)) + Array(value.utf8)
    }

    /// The bytes of a frame around what is given as its headers.
    package static func bytes(headers: [UInt8], payload: [UInt8]) -> [UInt8] {
        var frame = number(UInt32(16 + headers.count + payload.count)) + number(UInt32(headers.count))
        frame += number(checksum(frame))
        frame += headers + payload
        return frame + number(checksum(frame))
    }

    /// CRC-32 as gzip has it.
    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var rest = ~UInt32(0)
        for byte in bytes {
            rest ^= UInt32(byte)
            for _ in 0..<8 { rest = rest & 1 == 1 ? rest >> 1 ^ 0xEDB8_8320 : rest >> 1 }
        }
        return ~rest
    }

    private static func number(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.bigEndian) { Array($0) }
    }
}
