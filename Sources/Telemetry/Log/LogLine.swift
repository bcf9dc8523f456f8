import Glibc
import Logging

/// Puts one line of the process log into bytes.
///
/// - Limit: control characters are escaped, so that nothing logged can fake a line; a value is cut after
///   `longestValue` bytes.
struct LogLine {
    static let longestValue = 4096

    private(set) var bytes: [UInt8] = []

    /// - Parameter time: microseconds since 1970.
    init(
        _ format: LogFormat, time: Int64, process: String, level: Logger.Level, message: String,
        metadata: Logger.Metadata
    ) {
        bytes.reserveCapacity(256)
        switch format {
        case .text: text(time, process, level, message, metadata)
        case .json: json(time, process, level, message, metadata)
        }
        bytes.append(0x0a)
    }

    private mutating func text(
        _ time: Int64, _ process: String, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata
    ) {
        append(Self.timestamp(time))
        append(" ")
        append(level.rawValue.uppercased())
        append(String(repeating: " ", count: max(1, 9 - level.rawValue.utf8.count)))
        append(process)
        append(": ")
        appendEscaped(message)
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            append(" ")
            append(key.hasPrefix("aig.") ? String(key.dropFirst(4)) : key)
            append("=")
            let text = value.description
            let isPlain = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 != 0x22 && $0 != 0x5c && $0 != 0x7f }
            if !isPlain { append("\"") }
            appendEscaped(text)
            if !isPlain { append("\"") }
        }
    }

    private mutating func json(
        _ time: Int64, _ process: String, _ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata
    ) {
        append("{\"time\":\"")
        append(Self.timestamp(time))
        append("\",\"level\":\"")
        append(level.rawValue)
        append("\",\"process\":\"")
        appendEscaped(process)
        append("\",\"message\":\"")
        appendEscaped(message)
        append("\"")
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            append(",\"")
            appendEscaped(key)
            append("\":\"")
            appendEscaped(value.description)
            append("\"")
        }
        append("}")
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func appendEscaped(_ text: String) {
        var left = Self.longestValue
        for scalar in text.unicodeScalars {
            let width = scalar.utf8.count
            guard left >= width else { return append("…") }
            left -= width
            switch scalar.value {
            case 0x22: append("\\\"")
            case 0x5c: append("\\\\")
            case 0x0a: append("\\n")
            case 0x0d: append("\\r")
            case 0x09: append("\\t")
            case 0..<0x20, 0x7f..<0xa0, 0x2028, 0x2029:
                let digits = String(scalar.value, radix: 16)
                append("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits)
            default: bytes.append(contentsOf: scalar.utf8)
            }
        }
    }

    /// RFC 3339 with milliseconds, in UTC.
    static func timestamp(_ microseconds: Int64) -> String {
        var seconds = time_t(microseconds / 1_000_000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let milliseconds = Int(microseconds / 1000 % 1000)
        let fraction =
            String(repeating: "0", count: milliseconds < 10 ? 2 : milliseconds < 100 ? 1 : 0) + "\(milliseconds)"
        return "\(Int(parts.tm_year) + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
            + "T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
    }
}
