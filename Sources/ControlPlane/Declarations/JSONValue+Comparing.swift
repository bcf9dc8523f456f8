extension JSONValue {
    /// Whether both say the same: the order of members and the notation of numbers do not count.
    func says(_ other: JSONValue) -> Bool {
        switch (self, other) {
        case (.number(let left), .number(let right)):
            left == right || Self.plainDecimal(left) == Self.plainDecimal(right)
        case (.array(let left), .array(let right)):
            left.count == right.count && zip(left, right).allSatisfy { $0.says($1) }
        case (.object(let left), .object(let right)):
            left.count == right.count
                && left.allSatisfy { member in other[member.name].map { member.value.says($0) } ?? false }
        default: self == other
        }
    }

    /// The value in one form: members by name, numbers without exponents and without needless zeros.
    var settled: JSONValue {
        switch self {
        case .number(let literal): .number(Self.plainDecimal(literal))
        case .array(let elements): .array(elements.map(\.settled))
        case .object(let members):
            .object(members.map { Member($0.name, $0.value.settled) }.sorted { $0.name < $1.name })
        default: self
        }
    }

    /// A JSON number as plain decimals, as in `0.0000025`; numbers with very many digits keep an exponent.
    static func plainDecimal(_ literal: String) -> String {
        let parts = literal.lowercased().split(separator: "e", omittingEmptySubsequences: false)
        let isNegative = literal.hasPrefix("-")
        let mantissa = parts[0].drop { $0 == "-" }.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count <= 2, let whole = mantissa.first, let exponent = parts.count == 2 ? Int(parts[1]) : 0,
            exponent.magnitude < 1_000_000
        else { return literal }
        let fraction = mantissa.count > 1 ? mantissa[1] : ""
        var digits = String(whole + fraction)
        // The decimal point stands behind this many digits.
        var point = whole.count + exponent
        let leading = digits.prefix { $0 == "0" }.count
        digits.removeFirst(leading)
        point -= leading
        while digits.hasSuffix("0") { digits.removeLast() }
        if digits.isEmpty { return "0" }
        let sign = isNegative ? "-" : ""
        guard (-30...60).contains(point) else {
            let rest = digits.dropFirst()
            return sign + digits.prefix(1) + (rest.isEmpty ? "" : "." + rest) + "e\(point - 1)"
        }
        if point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
        if point >= digits.count { return sign + digits + String(repeating: "0", count: point - digits.count) }
        return sign + digits.prefix(point) + "." + digits.dropFirst(point)
    }
}
