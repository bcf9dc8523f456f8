package import GatewayCore

extension PriceCatalog {
    /// The price of a provider's model (providers.md §5.2).
    ///
    /// - Parameters:
    ///   - model: as the answer reported it, else as it was asked for.
    ///   - patterns: keeps what had to be compiled for the next lookup.
    /// - Returns: nil when the catalogue does not know it; another provider's price is never guessed.
    package func row(for provider: ProviderDefinition, model: String, patterns: PricePatterns) -> PriceRow? {
        guard provider.prices.catalogue == .listed, model.utf8.count <= 512 else { return nil }
        if let row = anyRow(provider.id, model, provider.prices, patterns) { return row }
        guard let fallback = provider.prices.fallback else { return nil }
        return anyRow(fallback, model, provider.prices, patterns)
    }

    /// The row of this list, else of the one that it extends.
    private func anyRow(
        _ provider: ProviderID, _ model: String, _ naming: PriceNaming, _ patterns: PricePatterns
    ) -> PriceRow? {
        if let row = row(provider, model, naming, patterns) { return row }
        return base.first?.anyRow(provider, model, naming, patterns.below)
    }

    private func row(
        _ provider: ProviderID, _ model: String, _ naming: PriceNaming, _ patterns: PricePatterns
    ) -> PriceRow? {
        let (name, geography) = Self.normalized(model, naming)
        guard !name.isEmpty else { return nil }
        let names = Self.variants(name, naming)
        var found = names.lazy.compactMap { exact(provider, $0) }.first
        if found == nil, let shorter = Self.withoutSuffix(name, naming) {
            found = Self.variants(shorter, naming).lazy.compactMap { exact(provider, $0) }.first
        }
        if found == nil { found = names.lazy.compactMap { matching(provider, $0, patterns) }.first }
        guard var row = found else { return nil }
        row.geography = geography
        if !naming.geographies.isEmpty, let allowed = geographies(ofModel: row) {
            guard let geography, allowed.contains(where: { $0 == geography }) else { return nil }
        }
        return row
    }

    /// The name without resource paths and without the prefix that says where it is computed.
    static func normalized(_ model: String, _ naming: PriceNaming) -> (name: String, geography: String?) {
        var name = model[...]
        while let first = name.first, first.isWhitespace { name.removeFirst() }
        while let last = name.last, last.isWhitespace { name.removeLast() }
        if name.hasPrefix("arn:"), let slash = name.lastIndex(of: "/") { name = name[name.index(after: slash)...] }
        if name.hasPrefix("models/") { name = name.dropFirst(7) }
        let parts = name.split(separator: "/", omittingEmptySubsequences: false)
        if let place = parts.firstIndex(of: "publishers"), place + 3 < parts.count, parts[place + 2] == "models" {
            name = parts[place + 3]
        }
        guard let prefix = naming.geographies.first(where: { name.hasPrefix($0) }) else { return (String(name), nil) }
        return (String(name.dropFirst(prefix.count)), String(prefix.dropLast()))
    }

    /// The name with and without the publisher in front of it.
    private static func variants(_ name: String, _ naming: PriceNaming) -> [String] {
        guard !naming.publishers.isEmpty else { return [name] }
        if let publisher = naming.publishers.first(where: { name.hasPrefix($0) }) {
            return [name, String(name.dropFirst(publisher.count))]
        }
        return name.contains("/") ? [name] : [name] + naming.publishers.map { $0 + name }
    }

    /// The name without one dated or floating suffix; nil when it has none.
    static func withoutSuffix(_ name: String, _ naming: PriceNaming) -> String? {
        for suffix in ["@default", "-latest"] + naming.suffixes where name.hasSuffix(suffix) {
            return String(name.dropLast(suffix.count))
        }
        let bytes = Array(name.utf8)
        func isDate(_ form: String) -> Bool {
            bytes.count > form.utf8.count
                && zip(bytes.suffix(form.utf8.count), form.utf8).allSatisfy { byte, wanted in
                    wanted == 0x64 ? (0x30...0x39).contains(byte) : byte == wanted
                }
        }
        for form in ["-dddd-dd-dd", "-dddddddd", "@dddddddd"] where isDate(form) {
            return String(name.dropLast(form.count))
        }
        return nil
    }
}
