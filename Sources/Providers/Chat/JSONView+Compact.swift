import WireFormats

extension JSONView {
    /// The value's text without the whitespace between its parts; numbers and strings stay as they are.
    var compactText: String {
        var text: [UInt8] = []
        text.reserveCapacity(bytes.count)
        var isInString = false
        var isEscape = false
        for byte in bytes {
            if isInString {
                text.append(byte)
                if isEscape {
                    isEscape = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscape = true
                } else if byte == UInt8(ascii: "\"") {
                    isInString = false
                }
            } else if byte > 0x20 {
                isInString = byte == UInt8(ascii: "\"")
                text.append(byte)
            }
        }
        return String(decoding: text, as: UTF8.self)
    }
}
