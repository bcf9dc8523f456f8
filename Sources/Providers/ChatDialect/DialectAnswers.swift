package import GatewayCore
import NIOCore
import WireFormats

/// Brings answers of OpenAI-shaped providers into OpenAI's form where they are not (providers.md §11.1).
///
/// What needs no change goes through byte for byte, and so do errors with a status of their own.
package struct DialectAnswers: ChatAnswerTranslator {
    let provider: String

    package init(provider: String) { self.provider = provider }

    package var foreignAnswers: ForeignAnswers { .relayed }

    package func answer(_ body: UnsafeRawBufferPointer, _ terms: ChatTerms) throws(GatewayError) -> ChatAnswer {
        let view = JSONView(body)
        guard view.kind == .object, JSONScan.validate(body) else {
            // None of the forms that are known: the client sees what the provider said.
            return .completion(ByteBuffer(bytes: body))
        }
        if let failure = failure(in: view) { return .failure(failure) }
        var edits = JSONEdits(view.bytes)
        var choices = ChoiceEdits()
        Self.complete(view, "chat.completion", terms, in: &edits)
        view.member("choices")?.forEachElement { choices.edit($0, .message, into: &edits) }
        if let reason = choices.failure { return .failure(failure(reason)) }
        return .completion(edits.isEmpty ? ByteBuffer(bytes: view.bytes) : edits.applied())
    }

    package func failure(status: Int, _ body: UnsafeRawBufferPointer) -> ChatFailure {
        let view = JSONView(body)
        if JSONScan.validate(body), var failure = failure(in: view) {
            failure.status = status
            return failure
        }
        return ChatFailure(status: status, message: ChatFailure.text(of: body), provider: provider)
    }

    package func stream(_ terms: ChatTerms) -> any ChatStreamTranslator { DialectStream(terms, self) }

    /// Adds the members that every answer has to have and this one has not; a null is none.
    static func complete(_ view: JSONView, _ object: StaticString, _ terms: ChatTerms, in edits: inout JSONEdits) {
        var hasID = false
        var hasObject = false
        var hasCreated = false
        view.forEachRawMember { key, value in
            if value.isNull { return }
            if key.isText("id") {
                hasID = true
            } else if key.isText("object") {
                hasObject = true
            } else if key.isText("created") {
                hasCreated = true
            }
        }
        var members: [String] = []
        if !hasID { members.append(#""id":"chatcmpl-\#(terms.created)""#) }
        if !hasObject { members.append(#""object":"\#(object)""#) }
        if !hasCreated { members.append(#""created":\#(terms.created)"#) }
        edits.edit(view, adding: members) { key, value in
            guard value.isNull, !members.isEmpty else { return .keep }
            // Of two members of one name most readers take the last.
            return key.isText("id") || key.isText("object") || key.isText("created") ? .remove : .keep
        }
    }

    // MARK: Errors behind a successful status

    /// The error that an object with a member `error` tells of; nil when it has none, or one that says nothing.
    func failure(in view: JSONView) -> ChatFailure? {
        guard let error = view.member("error"), Self.tells(error) else { return nil }
        let status = Self.status(error.member("code")) ?? Self.status(view.member("code")) ?? 502
        let words = error.member("message")?.string ?? error.string ?? ""
        var failure = ChatFailure(
            status: status, message: words.isEmpty ? "The provider gave no reason" : words, provider: provider
        )
        failure.take(type: error.member("type")?.string, code: error.member("code")?.string)
        failure.parameter = error.member("param")?.string
        return failure
    }

    /// Whether an error is more than the place for one.
    private static func tells(_ error: JSONView) -> Bool {
        switch error.kind {
        case .string: return error.string?.isEmpty == false
        case .object:
            var hasMembers = false
            error.forEachRawMember { _, _ in hasMembers = true }
            return hasMembers
        default: return false
        }
    }

    private static func status(_ code: JSONView?) -> Int? {
        guard let code = code?.int ?? code?.string.flatMap({ Int($0) }), (400...599).contains(code) else { return nil }
        return code
    }

    /// The error that a reason to stop stands for.
    func failure(_ reason: ChoiceEdits.Failure) -> ChatFailure {
        switch reason {
        case .error: ChatFailure(status: 502, message: "The model stopped for an error", provider: provider)
        case .overloaded: ChatFailure(status: 503, message: "The provider ran out of resources", provider: provider)
        }
    }
}
