import GatewayCore
import WireFormats

/// What has been learned from one answer so far.
struct UsageTally: Sendable {
    var usage = Usage()
    var model: String?
    /// The model that was asked for, where the format knows better than `model` in the body.
    private(set) var requestedModel: String?
    var sawTerminal = false
    var sawErrorEvent = false
    /// The error of the stream's own, once it is sure that an event told of one.
    var failure: StreamFailure?
    /// Whether the stream is of a kind that ends with a terminal signal.
    var expectsTerminal = false
    /// Input tokens that a provider counts apart from cache reads and writes.
    var plainInput: Int?
    /// Cache writes of all lifetimes, where a provider gives the sum.
    var writtenInput: Int?
    /// How many of a stream's events have been searched for the model's name.
    private var modelSearches = 0

    /// Whether the model's name is to be looked for in one more event of a stream.
    ///
    /// It is in the first one, or behind what Azure's filter says of the prompt, or nowhere.
    mutating func looksForModel() -> Bool {
        guard model == nil, modelSearches < 4 else { return false }
        modelSearches += 1
        return true
    }

    /// Takes a reported model name; the first one counts.
    mutating func note(model view: JSONView?) {
        guard model == nil, let name = view?.string, !name.isEmpty, name.utf8.count <= 256 else { return }
        model = name
    }

    /// Takes the name of the model that was asked for; the first one counts.
    mutating func note(requested name: String?) {
        guard requestedModel == nil, let name, !name.isEmpty, name.utf8.count <= 256 else { return }
        requestedModel = name
    }

    /// Adds up an input that is reported in three separate parts, once the plain one is known.
    mutating func sumInput() {
        guard let plainInput else { return }
        usage.input = plainInput + (usage.cached ?? 0) + (writtenInput ?? 0)
    }
}

extension JSONView {
    /// The value as a count; nil when it is null, negative or too large to be one.
    var count: Int? {
        guard let value = int, value >= 0, value <= 1_000_000_000_000 else { return nil }
        return value
    }

    /// A value in seconds as thousandths, rounded.
    var milliseconds: Int? {
        guard let seconds = double, seconds >= 0, seconds < 1e9 else { return nil }
        return Int((seconds * 1000).rounded())
    }

    /// Takes the place of a member unless an earlier one of the same name already has it.
    @inline(__always)
    func keep(_ place: inout JSONView?) {
        if place == nil { place = self }
    }

    /// A member as a count; nil when it is absent too.
    func count(_ name: StaticString) -> Int? { member(name)?.count }

    /// A member in seconds as thousandths, rounded.
    func milliseconds(_ name: StaticString) -> Int? { member(name)?.milliseconds }

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
