/// Ids of calls for a provider that takes exactly nine letters and digits (providers.md §11.2 · observed).
enum ShortCallID {
    private static let length = 9
    private static let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)

    /// Whether an id can stay as it is.
    static func isOne(_ id: String) -> Bool {
        id.utf8.count == length && id.utf8.allSatisfy { UntrustedPath.isAlphanumeric($0) }
    }

    /// The id that stands for a longer or shorter one: the same for a call and its result, in every request and worker.
    ///
    /// FNV-1a over the text, then two rounds of mixing so that all of it is in every digit. Nine digits tell some
    /// 10¹⁶ ids apart, and only those of one history have to be.
    static func of(_ id: String) -> String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in id.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash = (hash ^ (hash >> 30)) &* 0xbf58_476d_1ce4_e5b9
        hash = (hash ^ (hash >> 27)) &* 0x94d0_49bb_1331_11eb
        hash ^= hash >> 31
        var digits: [UInt8] = []
        for _ in 0..<length {
            digits.append(alphabet[Int(hash % UInt64(alphabet.count))])
            hash /= UInt64(alphabet.count)
        }
        return String(decoding: digits, as: UTF8.self)
    }
}
