import WireFormats

/// The error that an event of a successful stream tells of, in any dialect (providers.md §12.3).
package struct StreamFailure: Sendable, Equatable {
    /// The HTTP status that its kind stands for; 502 for a kind that nobody knows.
    package var status: Int

    /// Nil for an event that tells of no error.
    package init?(_ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer) {
        if EventReader.isException(name) {
            let type = name.dropFirst(EventReader.exceptionPrefix.utf8CodeUnitCount)
            status = Self.status(of: String(decoding: type, as: UTF8.self)) ?? Self.unknown
            return
        }
        let view = JSONView(data)
        guard let error = Self.error(name, view) else { return nil }
        let numbers = [error.member("code"), error.member("status"), view.member("status_code"), view.member("code")]
        let words = [error.member("code"), error.member("status"), error.member("type")]
        status =
            numbers.lazy.compactMap { Self.status($0) }.first
            ?? words.lazy.compactMap { $0?.string.flatMap(Self.status(of:)) }.first ?? Self.unknown
    }

    private static let unknown = 502

    /// What tells of the error; the event itself where it has no place of its own for it.
    private static func error(_ name: UnsafeRawBufferPointer, _ view: JSONView) -> JSONView? {
        if name.isText("response.failed") { return view.member("response")?.member("error") ?? view }
        if let error = view.member("error"), tells(error) { return error }
        if name.isText("error") || view.member("type")?.string == "error" { return view }
        // Cohere's last event says how it ended.
        guard name.isText("message-end") || view.member("type")?.string == "message-end",
            let delta = view.member("delta")
        else { return nil }
        if let error = delta.member("error"), tells(error) { return error }
        return delta.member("finish_reason")?.string == "ERROR" ? delta : nil
    }

    /// Whether an error is more than the place for one.
    private static func tells(_ error: JSONView) -> Bool {
        switch error.kind {
        case .string: return error.string?.isEmpty == false
        case .object:
            var hasMembers = false
            error.forEachMember { _, _ in hasMembers = true }
            return hasMembers
        default: return false
        }
    }

    private static func status(_ number: JSONView?) -> Int? {
        guard let code = number?.int ?? number?.string.flatMap({ Int($0) }), (400...599).contains(code) else {
            return nil
        }
        return code
    }

    /// The status of a kind of error, by the names of all dialects (providers.md §12.1).
    private static func status(of word: String) -> Int? {
        var kind = word.lowercased()[...]
        for suffix in ["exception", "_error"] where kind.hasSuffix(suffix) { kind = kind.dropLast(suffix.count) }
        return switch kind {
        case "invalid_request", "invalid_argument", "failed_precondition", "validation", "servicequotaexceeded": 400
        case "authentication", "unauthenticated", "invalid_api_key": 401
        case "billing": 402
        case "permission", "permission_denied", "accessdenied": 403
        case "not_found", "model_not_found", "resourcenotfound": 404
        case "modeltimeout": 408
        case "request_too_large": 413
        case "model", "modelerror", "modelstreamerror": 424
        case "rate_limit", "rate_limit_exceeded", "resource_exhausted", "throttling", "modelnotready",
            "insufficient_quota":
            429
        case "api", "server", "internal", "internalserver": 500
        case "unavailable", "serviceunavailable", "service_unavailable": 503
        case "timeout", "deadline_exceeded": 504
        case "overloaded": 529
        default: nil
        }
    }
}
