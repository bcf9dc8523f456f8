/// Ids of calls for providers that give them none (providers.md §6.1 step 5).
enum ChatCallID {
    private static let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789".utf8)

    /// A new id, legal for nearly every provider that may see it in a history.
    static func random() -> String {
        var generator = SystemRandomNumberGenerator()
        var bytes = Array("call_".utf8)
        for _ in 0..<24 { bytes.append(letters[Int.random(in: 0..<letters.count, using: &generator)]) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
