import ControlPlane
import GatewayCore
import PostgresStore

/// Reads and answers paging (control-plane.md §1.4 · documented).
enum PageQuery {
    static let maximumPage = 1_000_000_000

    static func read(_ query: QueryItems, sizes: ClosedRange<Int>, standard: Int = 20) throws(APIProblem) -> PageRequest
    {
        PageRequest(
            number: try integer(query, "page", in: 1...maximumPage) ?? 1,
            size: try integer(query, "per_page", in: sizes) ?? standard
        )
    }

    /// A whole number within `range`; nil when it is not given.
    static func integer(
        _ query: QueryItems, _ name: String, in range: ClosedRange<Int>
    ) throws(APIProblem) -> Int? {
        guard let text = query.value(name) else { return nil }
        guard let value = try? JSONValue(parsing: text), let number = value.integer else {
            throw .invalid(["query", name], "Expected number, received nan")
        }
        guard range.contains(number) else {
            throw .invalid(
                ["query", name],
                number < range.lowerBound
                    ? "Number must be greater than or equal to \(range.lowerBound)"
                    : "Number must be less than or equal to \(range.upperBound)"
            )
        }
        return number
    }

    /// Text that a column can hold; nil when it is not given.
    static func text(_ query: QueryItems, _ name: String) throws(APIProblem) -> String? {
        guard let text = query.value(name) else { return nil }
        guard !text.utf8.contains(0) else {
            throw .invalid(["query", name], "String must not contain a zero character")
        }
        return text
    }

    /// A date or date-time; nil when it is not given.
    static func time(_ query: QueryItems, _ name: String) throws(APIProblem) -> Instant? {
        guard let text = query.value(name) else { return nil }
        guard let instant = Timestamp.instant(text) else { throw .invalid(["query", name], "Invalid datetime") }
        return instant
    }

    /// `true`, `false`, `1` or `0`; nil when it is not given.
    static func bool(_ query: QueryItems, _ name: String) throws(APIProblem) -> Bool? {
        switch query.value(name) {
        case nil: return nil
        case "true", "1": return true
        case "false", "0": return false
        default: throw .invalid(["query", name], "Expected boolean")
        }
    }

    /// One of a closed set of words; nil when it is not given.
    static func choice<Word: RawRepresentable & CaseIterable>(
        _ query: QueryItems, _ name: String, _: Word.Type
    ) throws(APIProblem) -> Word? where Word.RawValue == String {
        guard let text = query.value(name) else { return nil }
        guard let word = Word(rawValue: text) else {
            let words = Word.allCases.map { "'\($0.rawValue)'" }.joined(separator: " | ")
            throw .invalid(["query", name], "Invalid enum value. Expected \(words)")
        }
        return word
    }

    /// What a list tells about itself.
    static func info<Element>(_ page: Page<Element>, _ request: PageRequest, more: [JSONValue.Member] = []) -> JSONValue
    {
        let pages = request.size > 0 ? (page.total + request.size - 1) / request.size : 0
        return .object(
            [
                .init("page", JSONValue(request.number)), .init("per_page", JSONValue(request.size)),
                .init("count", JSONValue(page.items.count)), .init("total_count", JSONValue(page.total)),
                .init("total_pages", JSONValue(pages)),
            ] + more
        )
    }
}
