import SecretVault

/// Makes ids that nobody can guess.
enum Identifier {
    /// 32 hexadecimal characters.
    static func hexadecimal() throws(ControlError) -> String {
        do { return try RandomBytes.hexadecimal(bytes: 16) } catch { throw .internalFailure("no random bytes") }
    }

    /// A random UUID (RFC 9562, version 4).
    static func uuid() throws(ControlError) -> String {
        guard var bytes = try? RandomBytes.make(count: 16) else { throw .internalFailure("no random bytes") }
        bytes[6] = bytes[6] & 0x0f | 0x40
        bytes[8] = bytes[8] & 0x3f | 0x80
        var text = ""
        for (index, byte) in bytes.enumerated() {
            if [4, 6, 8, 10].contains(index) { text += "-" }
            text += (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return text
    }
}
