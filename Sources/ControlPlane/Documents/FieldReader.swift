/// Takes the members of a JSON object one by one and notes what is wrong with each.
///
/// An absent member leaves its target as it is; an explicit null clears it where that is allowed.
struct FieldReader {
    let document: JSONValue
    let path: [String]
    private(set) var problems: [FieldProblem] = []

    enum Presence: Equatable { case required, optional }

    init(_ document: JSONValue, path: [String] = ["body"]) {
        self.document = document
        self.path = path
        if document.members == nil { problems.append(FieldProblem(path, "Expected an object")) }
    }

    mutating func report(_ name: String, _ message: String) {
        problems.append(FieldProblem(path + [name], message))
    }

    /// Reports a problem with the document itself.
    mutating func reportSelf(_ message: String) { problems.append(FieldProblem(path, message)) }

    /// Adds what a nested reader found.
    mutating func adopt(_ nested: FieldReader) { problems += nested.problems }

    /// The member called `name`, when it is there.
    mutating func member(_ name: String, _ presence: Presence = .optional) -> JSONValue? {
        guard document.members != nil else { return nil }
        if let value = document[name] { return value }
        if presence == .required { report(name, "Required") }
        return nil
    }

    mutating func bool(_ name: String, _ presence: Presence = .optional, into target: inout Bool) {
        guard let value = member(name, presence) else { return }
        guard case .bool(let flag) = value else { return report(name, "Expected boolean") }
        target = flag
    }

    /// A whole number within `range`, or null.
    mutating func integer(
        _ name: String, _ presence: Presence = .optional, in range: ClosedRange<Int>, into target: inout Int?
    ) {
        guard let value = member(name, presence) else { return }
        if value.isNull { return target = nil }
        guard let number = value.integer else { return report(name, "Expected integer") }
        guard range.contains(number) else {
            return report(
                name,
                number < range.lowerBound
                    ? "Number must be greater than or equal to \(range.lowerBound)"
                    : "Number must be less than or equal to \(range.upperBound)"
            )
        }
        target = number
    }

    /// A whole number within `range` that must be there and not null.
    mutating func requiredInteger(_ name: String, in range: ClosedRange<Int>) -> Int {
        if document[name]?.isNull == true { report(name, "Expected integer") }
        var number: Int?
        integer(name, .required, in: range, into: &number)
        return number ?? range.lowerBound
    }

    /// Reports members with other names, where a schema allows none.
    mutating func refuseOthers(than names: Set<String>) {
        for member in document.members ?? [] where !names.contains(member.name) {
            report(member.name, "Unrecognized key")
        }
    }

    /// A string whose length is within `lengths`, or null.
    mutating func string(
        _ name: String, _ presence: Presence = .optional, lengths: ClosedRange<Int> = 0...65_536,
        into target: inout String?
    ) {
        guard let value = member(name, presence) else { return }
        if value.isNull { return target = nil }
        guard let text = checked(value, name, lengths) else { return }
        target = text
    }

    /// A string that must be there and not null.
    mutating func requiredString(_ name: String, lengths: ClosedRange<Int> = 1...65_536) -> String {
        guard let value = member(name, .required) else { return "" }
        return checked(value, name, lengths) ?? ""
    }

    private mutating func checked(_ value: JSONValue, _ name: String, _ lengths: ClosedRange<Int>) -> String? {
        guard let text = value.text else {
            report(name, "Expected string")
            return nil
        }
        guard lengths.contains(text.unicodeScalars.count) else {
            report(name, "String must contain \(lengths.lowerBound) to \(lengths.upperBound) characters")
            return nil
        }
        guard !text.utf8.contains(0) else {
            report(name, "String must not contain a zero character")
            return nil
        }
        return text
    }

    /// One of a closed set of words, or null.
    mutating func choice<Word: RawRepresentable & CaseIterable>(
        _ name: String, _ presence: Presence = .optional, into target: inout Word?
    ) where Word.RawValue == String {
        guard let value = member(name, presence) else { return }
        if value.isNull { return target = nil }
        guard let word = value.text.flatMap(Word.init(rawValue:)) else {
            let words = Word.allCases.map { "'\($0.rawValue)'" }.joined(separator: " | ")
            return report(name, "Invalid enum value. Expected \(words)")
        }
        target = word
    }

    /// Throws everything that was noted.
    func finish() throws(ControlError) {
        if !problems.isEmpty { throw .invalid(problems) }
    }
}
