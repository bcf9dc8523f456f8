import GatewayCore

/// The cells of one worker that belong to a family with labels: a block of the scoreboard per family.
enum MetricFamily {
    // Blocks of the scoreboard; each leaves room to grow.
    static let recordsDropped = 32
    static let storeAvailable = 40
    static let storeLosses = 44
    static let requests = 48
    static let errors = 80
    static let wholeDuration = 112
    static let streamDuration = 136
    static let firstByte = 160
    static let providerRequests = 192

    static let dropReasons = Observation.DropReason.allCases
    static let stores = Observation.Store.allCases
    static let requestTypes = ["native", "compat", "universal", "rest", "other"]
    static let statusClasses = ["2xx", "3xx", "4xx", "5xx", "other"]
    /// The gateway's own error codes (data-plane §10) with a cell each.
    static let errorCodes = [
        2001, 2002, 2003, 2005, 2008, 2009, 2010, 2014, 2016, 2017, 2019, 2020, 2021, 2040, 2098, 2099,
    ]
    /// Providers with a cell of their own; the last two cells are `custom` and `other`.
    static let mostProviders = 62

    static func dropped(_ reason: Observation.DropReason) -> Int {
        recordsDropped + (dropReasons.firstIndex(of: reason) ?? 0)
    }

    static func available(_ store: Observation.Store) -> Int { storeAvailable + (stores.firstIndex(of: store) ?? 0) }
    static func losses(_ store: Observation.Store) -> Int { storeLosses + (stores.firstIndex(of: store) ?? 0) }

    static func statusClass(_ status: Int) -> Int {
        switch status {
        case 200..<300: 0
        case 300..<400: 1
        case 400..<500: 2
        case 500..<600: 3
        default: 4
        }
    }

    static func request(type: String, status: Int) -> Int {
        let place = requestTypes.firstIndex(of: type) ?? requestTypes.count - 1
        return requests + place * statusClasses.count + statusClass(status)
    }

    /// An unknown code counts with the last one, `other`.
    static func error(_ code: Int) -> Int { errors + (errorCodes.firstIndex(of: code) ?? errorCodes.count) }

    static func provider(_ place: Int, status: Int) -> Int {
        providerRequests + place * statusClasses.count + statusClass(status)
    }
}
