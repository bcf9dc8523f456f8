import CPriceCatalog
package import GatewayCore
import WireFormats

/// Why a price file cannot be used.
package enum PriceCatalogError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The file does not begin with `"schema":1` and `"models":[` on lines of their own.
    case unknownSchema
    /// A line between the brackets of `models` that is not one sound row.
    ///
    /// - Parameter line: counted from 1.
    case badRow(line: Int)
    /// The list of models does not end.
    case unexpectedEnd
    /// `extends` names something else than the built-in list.
    case unknownBase

    package var description: String {
        switch self {
        case .unknownSchema:
            "no price list: it has to begin with \"schema\":1, and \"models\":[ on lines of their own"
        case .badRow(let line): "line \(line) is no sound row of a price list"
        case .unexpectedEnd: "the list of models does not end with ] on a line of its own"
        case .unknownBase: "\"extends\" can only name \"built-in\""
        }
    }
}

/// The price list: rows stay text until they are needed.
///
/// Holds a sorted index of 16 bytes per name; the built-in text is in the program's read-only memory.
package struct PriceCatalog: Sendable {
    private enum Source: Sendable {
        case builtIn
        case owned([UInt8])
    }

    private struct Name: Sendable {
        var hash: UInt64
        var row: Int32
    }

    private let source: Source
    private var rows: [Range<UInt32>] = []
    private var names: [Name] = []
    /// Rows with a pattern, by provider, in file order.
    private var patterns: [ProviderID: [Int]] = [:]
    /// The list that answers for what this one does not have; at most one.
    private(set) var base: [PriceCatalog] = []
    /// Rates that were left out because they cannot be true; such a price is unknown.
    package private(set) var strangeRates = 0

    /// The list that was built in.
    package init() throws(PriceCatalogError) {
        source = .builtIn
        try index(.names)
    }

    /// A list of the same schema that replaces the built-in one, from the text of a file.
    ///
    /// With the line `"extends":"built-in",` before its models it is asked first, and the built-in one after it.
    ///
    /// - Throws: for the first row with a fault, naming its line.
    package init(bytes: [UInt8]) throws(PriceCatalogError) {
        source = .owned(bytes)
        try index(.everything)
    }

    private enum Depth { case names, everything }

    private func withBytes<T>(_ body: (UnsafeRawBufferPointer) -> T) -> T {
        switch source {
        case .builtIn: body(UnsafeRawBufferPointer(start: aig_price_catalog(), count: aig_price_catalog_size()))
        case .owned(let bytes): bytes.withUnsafeBytes(body)
        }
    }

    private mutating func index(_ depth: Depth) throws(PriceCatalogError) {
        let result = withBytes { Self.scan($0, depth) }
        let scan = try result.get()
        rows = scan.rows
        names = scan.names.sorted { ($0.hash, $0.row) < ($1.hash, $1.row) }
        patterns = scan.patterns
        strangeRates = scan.strange
        if scan.extendsBuiltIn { base = [try PriceCatalog()] }
    }

    private struct Scan {
        var rows: [Range<UInt32>] = []
        var names: [Name] = []
        var patterns: [ProviderID: [Int]] = [:]
        var extendsBuiltIn = false
        var strange = 0

        mutating func add(_ line: UnsafeRawBufferPointer, at start: Int, _ depth: Depth) -> Bool {
            guard let members = JSONScan.topLevel(line, wanted: ["provider", "model", "alias", "match"]),
                let providerPlace = members[0], let modelPlace = members[1]
            else { return false }
            func view(_ range: Range<Int>) -> JSONView { JSONView(UnsafeRawBufferPointer(rebasing: line[range])) }
            guard let provider = view(providerPlace).string, let model = view(modelPlace).string, !model.isEmpty else {
                return false
            }
            if depth == .everything {
                guard PriceRowReader.read(line, strange: &strange) != nil else { return false }
                if let match = members[3] {
                    guard let pattern = view(match).string, (try? Regex(pattern)) != nil else { return false }
                }
            }
            let row = rows.count
            rows.append(UInt32(start)..<UInt32(start + line.count))
            names.append(Name(hash: PriceCatalog.hash(provider, model), row: Int32(row)))
            var aliases: [String] = []
            if let place = members[2] { view(place).forEachElement { aliases.append($0.string ?? "") } }
            for alias in aliases { names.append(Name(hash: PriceCatalog.hash(provider, alias), row: Int32(row))) }
            if members[3] != nil { patterns[ProviderID(provider), default: []].append(row) }
            return true
        }
    }

    private static func scan(_ bytes: UnsafeRawBufferPointer, _ depth: Depth) -> Result<Scan, PriceCatalogError> {
        guard bytes.count < Int(Int32.max) else { return .failure(.unknownSchema) }
        var scan = Scan()
        var lineNumber = 0
        var start = 0
        var sawSchema = false
        var isInside = false
        while start < bytes.count {
            lineNumber += 1
            let end = bytes[start...].firstIndex(of: 0x0a) ?? bytes.count
            var line = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
            while let last = line.last, last <= 0x20 { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
            if isInside {
                if line.first == 0x5d { return .success(scan) }
                if line.last == 0x2c { line = UnsafeRawBufferPointer(rebasing: line.dropLast()) }
                guard scan.add(line, at: start, depth) else { return .failure(.badRow(line: lineNumber)) }
            } else {
                if line.position(of: "\"schema\":1,") == 0 { sawSchema = true }
                if line.position(of: "\"extends\":") == 0 {
                    guard line.isText("\"extends\":\"built-in\",") else { return .failure(.unknownBase) }
                    scan.extendsBuiltIn = true
                }
                if line.isText("\"models\":[") {
                    guard sawSchema else { return .failure(.unknownSchema) }
                    isInside = true
                }
            }
            start = end + 1
        }
        return .failure(isInside ? .unexpectedEnd : .unknownSchema)
    }

    /// FNV-1a over the provider, a zero byte and the name.
    private static func hash(_ provider: String, _ name: String) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in provider.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        hash = hash &* 0x0000_0100_0000_01b3
        for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
        return hash
    }

    /// Rows of this list alone.
    package var count: Int { rows.count }

    /// Every row, in file order; then those of the list it extends, without the ones it replaces by name.
    package func forEachRow(_ body: (PriceRow) -> Void) {
        for index in rows.indices { if let row = row(index) { body(row) } }
        base.first?.forEachRow { row in if !hasRow(row.provider, row.model) { body(row) } }
    }

    /// Every row with the other names it is listed under, in the order of `forEachRow`.
    package func forEachEntry(_ body: (PriceRow, _ aliases: [String]) -> Void) {
        for index in rows.indices {
            guard let row = row(index) else { continue }
            var aliases: [String] = []
            withRow(index) { line in
                JSONView(line).member("alias")?.forEachElement { if let name = $0.string { aliases.append(name) } }
            }
            body(row, aliases)
        }
        base.first?.forEachEntry { row, aliases in if !hasRow(row.provider, row.model) { body(row, aliases) } }
    }

    /// The raw text of every row, in file order; for those who write a list.
    package func forEachLine(_ body: (UnsafeRawBufferPointer) -> Void) {
        for index in rows.indices { withRow(index, body) }
    }

    private func hasRow(_ provider: ProviderID, _ name: String) -> Bool {
        let hash = Self.hash(provider.rawValue, name)
        return names.contains { $0.hash == hash && isNamed(Int($0.row), provider, name) }
    }

    private func withRow<T>(_ index: Int, _ body: (UnsafeRawBufferPointer) -> T) -> T {
        let range = rows[index]
        return withBytes { body(UnsafeRawBufferPointer(rebasing: $0[Int(range.lowerBound)..<Int(range.upperBound)])) }
    }

    private func row(_ index: Int) -> PriceRow? {
        var strange = 0
        return withRow(index) { PriceRowReader.read($0, strange: &strange) }
    }

    /// The row whose model or alias is exactly `name`.
    func exact(_ provider: ProviderID, _ name: String) -> PriceRow? {
        let hash = Self.hash(provider.rawValue, name)
        var low = 0
        var high = names.count
        while low < high {
            let middle = (low + high) / 2
            if names[middle].hash < hash { low = middle + 1 } else { high = middle }
        }
        while low < names.count, names[low].hash == hash {
            if isNamed(Int(names[low].row), provider, name) { return row(Int(names[low].row)) }
            low += 1
        }
        return nil
    }

    private func isNamed(_ index: Int, _ provider: ProviderID, _ name: String) -> Bool {
        withRow(index) { line in
            let view = JSONView(line)
            guard view.member("provider")?.string == provider.rawValue else { return false }
            if view.member("model")?.string == name { return true }
            var isAlias = false
            view.member("alias")?.forEachElement { if $0.string == name { isAlias = true } }
            return isAlias
        }
    }

    /// The first row whose pattern finds `name`.
    func matching(_ provider: ProviderID, _ name: String, _ compiled: PricePatterns) -> PriceRow? {
        let found = patterns[provider]?.first { index in
            compiled.finds(name, at: index) { withRow(index) { JSONView($0).member("match")?.string } }
        }
        return found.flatMap { row($0) }
    }

    /// The prefixes under which a row's model exists; nil when there is no restriction.
    func geographies(ofModel row: PriceRow) -> [Substring]? {
        let hash = Self.hash(row.provider.rawValue, row.model)
        for name in names where name.hash == hash && isNamed(Int(name.row), row.provider, row.model) {
            let text = withRow(Int(name.row)) { JSONView($0).member("geo_only")?.string }
            return text?.split(separator: " ")
        }
        return nil
    }
}
