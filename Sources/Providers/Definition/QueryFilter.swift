/// Query keys that stay behind, compared without regard to case.
package struct QueryFilter: Sendable {
    package var keys: [String]
    package var prefixes: [String]

    /// - Parameters:
    ///   - keys: lower-case names.
    ///   - prefixes: lower-case beginnings of names.
    package init(keys: [String] = [], prefixes: [String] = []) {
        self.keys = keys
        self.prefixes = prefixes
    }

    /// The query without the filtered pairs, otherwise byte for byte; nil when nothing is left.
    package func apply(_ query: String?) -> String? {
        guard let query, !query.isEmpty else { return nil }
        guard !keys.isEmpty || !prefixes.isEmpty else { return query }
        let pairs = query.split(separator: "&", omittingEmptySubsequences: false)
        let kept = pairs.filter { pair in
            let name = UntrustedPath.percentDecoded(String(pair.prefix { $0 != "=" })).lowercased()
            return !keys.contains(name) && !prefixes.contains { name.hasPrefix($0) }
        }
        if kept.count == pairs.count { return query }
        return kept.isEmpty ? nil : kept.joined(separator: "&")
    }
}
