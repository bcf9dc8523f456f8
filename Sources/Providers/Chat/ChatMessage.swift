import GatewayCore
import WireFormats

/// One message of a chat, in the one form that translators have to know (providers.md §6.1).
///
/// Legacy functions have become tools, results stand in the order of their calls, and every call has its result.
struct ChatMessage {
    enum Role { case system, user, assistant, tool }

    var role: Role
    var parts: [ChatPart] = []
    /// Calls of an assistant's message.
    var calls: [ChatCall] = []
    /// Which call a tool's message answers.
    var callID = ""
    /// Whether a tool's message says that the call failed.
    var hasFailed = false
    /// What an assistant thought, as text.
    var reasoning = ""
    /// Blocks of thinking that led to an assistant's message.
    var thinking: [ThinkingBlock] = []

    /// All messages of a request, checked and put in order.
    static func list(_ view: JSONView) throws(GatewayError) -> [ChatMessage] {
        var history = ChatHistory()
        var failure: GatewayError?
        view.forEachElement { element in
            guard failure == nil else { return }
            do throws(GatewayError) { try history.add(element) } catch { failure = error }
        }
        if let failure { throw failure }
        return try history.finish()
    }
}

/// How closely a model looks at an image; what a client says besides leaves it to the model.
enum ImageDetail: String {
    case low, high
}

/// A piece of a message's content.
enum ChatPart {
    case text(String, cacheControl: JSONView?)
    /// An `https` address or a data URL, and how closely it is to be looked at.
    case image(String, detail: ImageDetail?, cacheControl: JSONView?)
    case file(JSONView, cacheControl: JSONView?)
    /// Sound: `data` in base64 and its `format`, `wav` or `mp3`.
    case audio(JSONView)

    /// The parts of a `content` member; a string is one part of text.
    static func list(_ content: JSONView?) throws(GatewayError) -> [ChatPart] {
        guard let content, !content.isNull else { return [] }
        if let text = content.string { return [.text(text, cacheControl: nil)] }
        guard content.kind == .array else {
            throw ChatCompletionRequest.refusal("`content` of a message must be a string or a list of parts")
        }
        var parts: [ChatPart] = []
        var failure: GatewayError?
        content.forEachElement { element in
            guard failure == nil else { return }
            do throws(GatewayError) { parts.append(try part(element)) } catch { failure = error }
        }
        if let failure { throw failure }
        return parts
    }

    private static func part(_ view: JSONView) throws(GatewayError) -> ChatPart {
        let cacheControl = view.member("cache_control").flatMap { $0.kind == .object ? $0 : nil }
        let type = view.member("type")?.string ?? ""
        switch type {
        case "text":
            guard let text = view.member("text")?.string else { throw incomplete(type) }
            return .text(text, cacheControl: cacheControl)
        case "refusal":
            guard let text = view.member("refusal")?.string else { throw incomplete(type) }
            return .text(text, cacheControl: cacheControl)
        case "image_url":
            let image = view.member("image_url")
            guard let url = image?.member("url")?.string ?? image?.string else { throw incomplete(type) }
            let detail = image?.member("detail")?.string.flatMap(ImageDetail.init(rawValue:))
            return .image(url, detail: detail, cacheControl: cacheControl)
        case "file":
            guard let file = view.member("file"), file.kind == .object else { throw incomplete(type) }
            return .file(file, cacheControl: cacheControl)
        case "input_audio":
            guard let audio = view.member("input_audio"), audio.kind == .object else { throw incomplete(type) }
            return .audio(audio)
        default: throw unsupported(type)
        }
    }

    /// Refuses a kind of part that a provider does not know.
    static func unsupported(_ type: String) -> GatewayError {
        ChatCompletionRequest.refusal("content parts of type '\(type)' are not supported by this provider")
    }

    private static func incomplete(_ type: String) -> GatewayError {
        ChatCompletionRequest.refusal("a content part of type '\(type)' lacks its content")
    }
}

/// One call of a function in an assistant's message.
struct ChatCall {
    var id: String
    var name: String
    /// JSON text of an object.
    var arguments: String
    /// What proves to the provider that its own thoughts led to the call (providers.md §8.4).
    var signature: String?

    /// Reads `arguments`: an object as text, or, where it is none, the text inside an object.
    static func arguments(_ view: JSONView?) -> String {
        guard let view, !view.isNull else { return "{}" }
        if view.kind == .object { return String(decoding: view.bytes, as: UTF8.self) }
        var text = view.string ?? String(decoding: view.bytes, as: UTF8.self)
        if text.allSatisfy(\.isWhitespace) { return "{}" }
        let isObject = text.withUTF8 { bytes in
            let raw = UnsafeRawBufferPointer(bytes)
            return JSONView(raw).kind == .object && JSONScan.validate(raw)
        }
        return isObject ? text : #"{"_raw":"# + JSONPatch.quoted(text) + "}"
    }
}
