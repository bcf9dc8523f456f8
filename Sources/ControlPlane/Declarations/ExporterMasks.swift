import GatewayCore

/// A gateway's exporters as a file declares them, with stored header values in place of masks.
///
/// A value only goes where it is known to belong. Exporters have no names, so the n-th declared one with a URL is the n-th
/// stored one with it. One whose URL changed is the stored one at its place, if no other is that and if scheme, host and
/// port are still the same: whoever may write the file shall not send a credential elsewhere that he does not know.
struct ExporterMasks {
    /// A mask without a value.
    struct Problem: Equatable {
        /// Below the list of exporters.
        var path: [String]
        var message: String
    }

    /// The exporters; where there are problems, without the headers that they are about.
    private(set) var completed: [JSONValue] = []
    private(set) var problems: [Problem] = []

    private let stored: [JSONValue]
    /// For each declared exporter the place of its stored one.
    private var partners: [Int?]
    /// URLs of which more are stored than declared.
    private var reduced: Set<String> = []

    init(_ declared: [JSONValue], stored: [JSONValue]) {
        self.stored = stored
        partners = Array(repeating: nil, count: declared.count)
        pair(declared)
        for (place, exporter) in declared.enumerated() { complete(exporter, at: place) }
    }

    private mutating func pair(_ declared: [JSONValue]) {
        var places: [String: [Int]] = [:]
        for (place, exporter) in stored.enumerated() {
            if let url = exporter["url"]?.text { places[url, default: []].append(place) }
        }
        var left = places.mapValues { $0[...] }
        for (place, exporter) in declared.enumerated() {
            guard let url = exporter["url"]?.text else { continue }
            partners[place] = left[url]?.popFirst()
        }
        let taken = Set(partners.compactMap { $0 })
        for (url, known) in places where known.contains(where: taken.contains) && !(left[url]?.isEmpty ?? true) {
            reduced.insert(url)
        }
        for (place, exporter) in declared.enumerated() where partners[place] == nil {
            guard stored.indices.contains(place), !taken.contains(place),
                let origin = Self.origin(exporter), origin == Self.origin(stored[place])
            else { continue }
            partners[place] = place
        }
    }

    /// Scheme, host and port of an exporter's URL, as it is written.
    private static func origin(_ exporter: JSONValue) -> Substring? {
        guard let url = exporter["url"]?.text, let scheme = url.firstRange(of: "://") else { return nil }
        let end = url[scheme.upperBound...].firstIndex { "/?#".contains($0) } ?? url.endIndex
        return url[..<end]
    }

    private mutating func complete(_ exporter: JSONValue, at place: Int) {
        guard let headers = exporter["headers"]?.members else { return completed.append(exporter) }
        var fields: [JSONValue.Member] = []
        for header in headers {
            guard header.value.text == Secret.mask else {
                fields.append(header)
                continue
            }
            switch value(of: header.name, exporter, at: place) {
            case .success(let value): fields.append(.init(header.name, value))
            case .failure(let reason):
                problems.append(Problem(path: [String(place), "headers", header.name], message: reason.rawValue))
            }
        }
        completed.append(exporter.replacing("headers", with: .object(fields)))
    }

    private enum Reason: String, Error {
        case nothing = "**** keeps the value that is stored, and none is: give the value"
        case elsewhere =
            "**** keeps the value that is stored, and none is for this URL: give the value, it does not go to another host"
        case ambiguous =
            "**** does not say whose value it keeps: more exporters with this URL are stored than declared. Give the value"
    }

    private func value(of header: String, _ exporter: JSONValue, at place: Int) -> Result<JSONValue, Reason> {
        guard let partner = partners[place] else {
            return .failure(stored.contains { $0["headers"]?[header] != nil } ? .elsewhere : .nothing)
        }
        guard let value = stored[partner]["headers"]?[header] else { return .failure(.nothing) }
        if let url = exporter["url"]?.text, reduced.contains(url) {
            let isSame = stored.allSatisfy { $0["url"]?.text != url || $0["headers"]?[header] == value }
            if !isSame { return .failure(.ambiguous) }
        }
        return .success(value)
    }
}
