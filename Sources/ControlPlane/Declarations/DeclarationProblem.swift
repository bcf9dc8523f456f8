import PostgresStore

/// What is wrong with a file of declarations, and where.
package struct DeclarationProblem: Sendable, Equatable, CustomStringConvertible {
    /// Names and indices from the top of the file; empty: the file as a whole.
    package var path: [String]
    package var line: Int?
    package var message: String

    init(_ path: [String], line: Int? = nil, _ message: String) {
        self.path = path
        self.line = line
        self.message = message
    }

    /// `gateways[2].cache_ttl (line 14): Expected integer`.
    package var description: String {
        let place = Self.text(path)
        let line = line.map { place.isEmpty ? "line \($0)" : " (line \($0))" } ?? ""
        return place.isEmpty && line.isEmpty ? message : "\(place)\(line): \(message)"
    }

    /// A path as it is usually written; what could play tricks on a terminal is escaped.
    private static func text(_ path: [String]) -> String {
        var text = ""
        for part in path {
            if Int(part) != nil {
                text += "[\(part)]"
            } else {
                text += (text.isEmpty ? "" : ".") + DeclarationText.shown(String(part.prefix(128)))
            }
        }
        return text
    }
}

/// Why declarations were not applied, or not written; nothing was changed.
package enum DeclarationFailure: Error, Sendable, Equatable {
    /// The file is not right, or does not fit what is stored.
    case refused([DeclarationProblem])
    case noSuchAccount
    /// Others changed the configuration at the same time, or kept it locked, at every attempt; with what they were in
    /// the way of, where that is known. Trying again later helps.
    case contended([DeclarationProblem])
    /// PostgreSQL cannot be reached, or did not answer in time.
    case storeUnavailable
    /// Our own fault; the text is for the process log.
    case internalFailure(String)

    init(_ error: ControlError, at path: [String]) {
        self =
            switch error {
            case .storeUnavailable, .tooManyReaders: .storeUnavailable
            case .internalFailure(let detail): .internalFailure(detail)
            case .invalid(let problems):
                .refused(problems.map { DeclarationProblem(path + $0.path.dropFirst(), $0.message) })
            case .notFound: .contended([DeclarationProblem(path, "It was removed by somebody else meanwhile")])
            case .dynamicRoute(.nameTaken): .contended([DeclarationProblem(path, "Its name was taken meanwhile")])
            case .dynamicRoute, .secretsStore:
                .contended([DeclarationProblem(path, "It was changed by somebody else meanwhile")])
            case .billing, .forbidden: .internalFailure("neither billing nor a token has a part in declarations")
            }
    }
}
