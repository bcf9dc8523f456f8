import GatewayCore

/// The closed set of provider labels: writer and reader of the cells have to be given the same list.
struct ProviderLabels {
    let names: [String]
    private let places: [ProviderID: Int]
    private var recent: (provider: ProviderID, place: Int)?

    init(_ providers: [String]) {
        let known = providers.prefix(MetricFamily.mostProviders)
        names = known + ["custom", "other"]
        places = Dictionary(
            known.enumerated().map { (ProviderID($0.element), $0.offset) }, uniquingKeysWith: { first, _ in first }
        )
    }

    /// The place of a provider among `names`.
    mutating func place(of provider: ProviderID) -> Int {
        if let recent, recent.provider == provider { return recent.place }
        let place = places[provider] ?? (provider.rawValue.hasPrefix("custom-") ? names.count - 2 : names.count - 1)
        recent = (provider, place)
        return place
    }
}
