import GatewayCore
import WireFormats

/// What has been learned from one answer so far.
struct UsageTally: Sendable {
    var usage = Usage()
    var model: String?
    var sawTerminal = false
    var sawErrorEvent = false
    /// Input tokens that a provider counts apart from cache reads and writes.
    var plainInput: Int?
    /// Cache writes of all lifetimes, where a provider gives the sum.
    var writtenInput: Int?
    /// Whether a stream's model name has been looked for; it is in the first event or nowhere.
    var hasLookedForModel = false

    /// Takes a reported model name; the first one counts.
    mutating func note(model view: JSONView?) {
        guard model == nil, let name = view?.string, !name.isEmpty, name.utf8.count <= 256 else { return }
        model = name
    }

    /// Adds up an input that is reported in three separate parts, once the plain one is known.
    mutating func sumInput() {
        guard let plainInput else { return }
        usage.input = plainInput + (usage.cached ?? 0) + (writtenInput ?? 0)
    }
}

extension JSONView {
    /// A member as a count; nil when it is absent, null, negative or too large to be one.
    func count(_ name: StaticString) -> Int? {
        guard let value = member(name)?.int, (0...1_000_000_000_000).contains(value) else { return nil }
        return value
    }

    /// A member in seconds as thousandths, rounded.
    func milliseconds(_ name: StaticString) -> Int? {
        guard let seconds = member(name)?.double, seconds >= 0, seconds < 1e9 else { return nil }
        return Int((seconds * 1000).rounded())
    }

    /// A member in dollars.
    func dollars(_ name: StaticString) -> PicoUSD? {
        guard let view = member(name), view.kind == .number else { return nil }
        return PicoDecimal(view.bytes).map { PicoUSD(picoDollars: $0.units) }
    }
}

extension Usage {
    /// Keeps what is known already where a later report leaves it out.
    static func take(_ value: Int?, _ place: inout Int?) {
        if let value { place = value }
    }
}
