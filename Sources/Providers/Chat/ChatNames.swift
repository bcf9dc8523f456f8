/// Names of a request in a form that a provider accepts, each of its own and traceable to what the client wrote.
///
/// Accepted are the characters of an alphabet up to a length; others become `_`.
struct ChatNames {
    enum Alphabet {
        /// ASCII letters, digits, `_` and `-`.
        case words
        /// The same and `.`; a letter or `_` at the beginning.
        case dotted
        /// ASCII letters, digits, `_` and `-`; a letter at the beginning.
        case identifiers
        /// ASCII letters, digits, `_`, `-`, `.` and `:`.
        case punctuated
    }

    private let limit: Int
    private let alphabet: Alphabet
    private var legal: [String: String] = [:]
    private var taken: Set<String> = []
    /// The next number for names that would be equal, by what they have in common.
    private var numbers: [String: Int] = [:]

    /// - Parameter limit: bytes of the longest accepted name.
    init(limit: Int, alphabet: Alphabet = .words) {
        self.limit = limit
        self.alphabet = alphabet
    }

    /// The accepted form of a name; the same one each time.
    mutating func accepted(_ name: String) -> String {
        if let known = legal[name] { return known }
        var bytes = name.utf8.prefix(limit).map { isLegal($0) ? $0 : UInt8(ascii: "_") }
        if alphabet == .dotted, let first = bytes.first, !Self.isLetter(first), first != UInt8(ascii: "_") {
            bytes.insert(UInt8(ascii: "_"), at: 0)
        }
        if alphabet == .identifiers, bytes.first.map(Self.isLetter) != true {
            bytes.insert(contentsOf: "f_".utf8, at: 0)
        }
        var form = String(decoding: bytes.prefix(limit), as: UTF8.self)
        if form.isEmpty { form = "_" }
        let stem = form
        var number = numbers[stem] ?? 2
        while taken.contains(form) {
            let suffix = "_\(number)"
            form = String(stem.prefix(limit - suffix.utf8.count)) + suffix
            number += 1
        }
        numbers[stem] = number
        taken.insert(form)
        legal[name] = form
        return form
    }

    /// The client's names of those that had to change, by the accepted form.
    var changed: [String: String] {
        var result: [String: String] = [:]
        for (name, form) in legal where name != form { result[form] = name }
        return result
    }

    private func isLegal(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x5F, 0x2D: true
        case 0x2E: alphabet == .dotted || alphabet == .punctuated
        case 0x3A: alphabet == .punctuated
        default: Self.isLetter(byte)
        }
    }

    private static func isLetter(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
    }
}
