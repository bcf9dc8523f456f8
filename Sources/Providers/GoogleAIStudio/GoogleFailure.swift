import WireFormats

/// Google's error objects, which may stand in a list of one (providers.md §12.1).
enum GoogleFailure {
    static func read(status: Int, _ body: UnsafeRawBufferPointer, provider: String) -> ChatFailure {
        let view = JSONView(body)
        let error = (view.firstElement ?? view).member("error")
        let message = error?.member("message")?.string ?? ChatFailure.text(of: body)
        // An invalid key is told as a bad request.
        var isKey = false
        error?.member("details")?.forEachElement { detail in
            if detail.member("reason")?.string == "API_KEY_INVALID" { isKey = true }
        }
        return ChatFailure(status: status == 400 && isKey ? 401 : status, message: message, provider: provider)
    }
}
