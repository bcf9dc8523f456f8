import WireFormats

/// Reads Google's error objects (providers.md §12.1).
struct GeminiFailure {
    let provider: String

    /// The error in an answer, which may stand alone in a list; nil where there is none.
    ///
    /// - Parameter status: nil where HTTP has told of success.
    func read(_ view: JSONView, status: Int?) -> ChatFailure? {
        let object = view.kind == .array ? view.firstElement ?? view : view
        guard let error = object.member("error"), error.kind == .object else { return nil }
        let word = error.member("status")?.string ?? ""
        let text = error.member("message")?.string ?? ""
        var failure = ChatFailure(
            status: status ?? Self.status(error.member("code")?.int, word),
            message: text.isEmpty ? (word.isEmpty ? "The provider gave no reason" : word) : text, provider: provider
        )
        var isKeyInvalid = false
        error.member("details")?.forEachElement { detail in
            if detail.member("reason")?.string == "API_KEY_INVALID" { isKeyInvalid = true }
        }
        // Told with status 400, which is kept (decisions 4); what it is about is said by its type.
        if isKeyInvalid {
            failure.type = "authentication_error"
            failure.code = "invalid_api_key"
        }
        return failure
    }

    /// The error that a whole answer with this status tells of, as text where it is none of Google's objects.
    func read(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        if JSONScan.validate(body), let failure = read(JSONView(body), status: status) { return failure }
        return ChatFailure(status: status, message: ChatFailure.text(of: body), provider: provider)
    }

    /// What an error inside a successful answer stands for.
    private static func status(_ code: Int?, _ word: String) -> Int {
        if let code, (400..<600).contains(code) { return code }
        return switch word {
        case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE": 400
        case "UNAUTHENTICATED": 401
        case "PERMISSION_DENIED": 403
        case "NOT_FOUND": 404
        case "RESOURCE_EXHAUSTED": 429
        case "INTERNAL", "UNKNOWN": 500
        case "UNAVAILABLE": 503
        case "DEADLINE_EXCEEDED": 504
        default: 502
        }
    }
}
