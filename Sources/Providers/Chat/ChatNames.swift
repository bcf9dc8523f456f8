/// Names of a request in a form that a provider accepts, each of its own and traceable to what the client wrote.
///
/// Accepted are ASCII letters, digits, `_` and `-` up to a length; other characters become `_`.
struct ChatNames {
    private let limit: Int
    private var legal: [String: String] = [:]
    private var taken: Set<String> = []
    /// The next number for names that would be equal, by what they have in common.
    private var numbers: [String: Int] = [:]

    /// - Parameter limit: bytes of the longest accepted name.
    init(limit: Int) { self.limit = limit }

    /// The accepted form of a name; the same one each time.
    mutating func accepted(_ name: String) -> String {
        if let known = legal[name] { return known }
        var form = String(
            decoding: name.utf8.prefix(limit).map { Self.isLegal($0) ? $0 : UInt8(ascii: "_") }, as: UTF8.self
        )
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

    private static func isLegal(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x5F, 0x2D: true
        default: false
        }
    }
}
