import AnswerPromises
import FuzzDriver
import GatewayCore
import NIOCore
import Providers
import WireFormats

/// The OpenAI-shaped providers that differ from OpenAI, by the input's first byte.
private let dialects: [(id: ProviderID, dialect: ChatDialect, echo: ReasoningEcho?)] =
    ProviderRegistry.builtIn.all.compactMap { provider in
        guard let surface = provider.compat.surface, let dialect = surface.dialect else { return nil }
        return (provider.id, dialect, surface.reasoningEcho)
    }

private let models: [ChatModel] = [
    ChatModel(name: "gpt-5-mini"), ChatModel(name: "deepseek-v4"), ChatModel(name: "m", capabilities: ["reasoning"]),
    ChatModel(name: "m", capabilities: []),
]

/// A request whose reasoning was put back, or whose thinking was switched off, is JSON and lacks nothing any more.
private func request(
    _ bytes: UnsafeRawBufferPointer, _ dialect: ChatDialect, _ echo: ReasoningEcho?, _ model: ChatModel
) {
    guard JSONScan.validate(bytes), JSONView(bytes).kind == .object else { return }
    request(bytes, dialect, model)
    guard let echo else { return }
    let calls = echo.callsWithoutReasoning(bytes)
    let all = Dictionary(calls.map { ($0, #"Hm, "so" it is\ "#) }) { first, _ in first }
    var some = all
    if let last = calls.last { some[last] = nil }
    for known in [all, some, [:]] {
        let completed = echo.completed(ByteBuffer(bytes: bytes), with: known)
        precondition(AnswerPromises.isJSON(completed), "the completed request is no JSON")
        completed.withUnsafeReadableBytes { whole in
            precondition(!calls.isEmpty || whole.elementsEqual(bytes), "a request that lacked nothing was changed")
            precondition(echo.callsWithoutReasoning(whole).isEmpty, "a completed request lacks reasoning")
            let isOff = JSONView(whole).member("thinking")?.member("type")?.string == "disabled"
            precondition(isOff || known.count == all.count, "a model thinks though its reasoning is not known")
            request(whole, dialect, model)
        }
    }
}

/// A request that was edited is JSON, and editing it again finds nothing left to do.
private func request(_ bytes: UnsafeRawBufferPointer, _ dialect: ChatDialect, _ model: ChatModel) {
    guard let once = edited(bytes, dialect, model) else { return }
    precondition(AnswerPromises.isJSON(once), "the edited request is no JSON")
    once.withUnsafeReadableBytes { bytes in
        guard let twice = edited(bytes, dialect, model) else { preconditionFailure("an edited request is refused") }
        precondition(twice == once, "editing a request twice changed it again")
    }
}

private func edited(_ bytes: UnsafeRawBufferPointer, _ dialect: ChatDialect, _ model: ChatModel) -> ByteBuffer? {
    var edits = JSONEdits(bytes)
    var dropped = DroppedMembers()
    do throws(GatewayError) { try dialect.edit(bytes, for: model, into: &edits, noting: &dropped) } catch {
        precondition(error.kind == .badChatCompletion && error.origin == .client)
        return nil
    }
    return edits.applied()
}

/// An answer in OpenAI's form stays as it is.
private func answer(_ bytes: UnsafeRawBufferPointer, _ answers: DialectAnswers) {
    AnswerPromises.whole(bytes, answers)
    guard JSONScan.validate(bytes), case .completion(let once)? = try? answers.answer(bytes, ChatTerms()) else {
        return
    }
    once.withUnsafeReadableBytes { bytes in
        guard case .completion(let twice)? = try? answers.answer(bytes, ChatTerms()) else {
            preconditionFailure("a normalised answer is an error")
        }
        precondition(twice == once, "normalising an answer twice changed it again")
    }
}

@main
enum FuzzDialect: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 2, !dialects.isEmpty else { return }
        let bytes = input.from(2)
        let (id, dialect, echo) = dialects[Int(input[0]) % dialects.count]
        let choice = Int(input[1])
        let answers = DialectAnswers(provider: id.rawValue)
        switch choice % 3 {
        case 0: request(bytes, dialect, echo, models[choice / 3 % models.count])
        case 1: answer(bytes, answers)
        default:
            var terms = ChatTerms()
            terms.usageChunk = choice & 0x80 == 0 ? .withheld : .wanted
            AnswerPromises.streamed(bytes, answers, terms, step: choice % 13 + 1, .doneAmongAnything)
        }
    }
}
