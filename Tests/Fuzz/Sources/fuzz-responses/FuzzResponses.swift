import AnswerPromises
import FuzzDriver
import GatewayCore
import NIOCore
import Providers
import WireFormats

/// What a request of the usual kind leaves to be repeated.
private let asked: ResponsesEcho = {
    let body = #"{"model":"m","input":"x","tools":[{"type":"function","name":"f"}],"metadata":{"a":"b"}}"#
    return Array(body.utf8).withUnsafeBytes { bytes in
        guard let request = try? ResponsesRequest(bytes, for: "mistral", webSearch: .none, usage: .asked) else {
            preconditionFailure("the usual request is refused")
        }
        return request.echo
    }
}()

private let claude = ProviderRegistry.builtIn.compatTarget(model: "anthropic/claude-x")?.0.compat.translator(for: "x")

/// A request that becomes a chat is one JSON object, whatever it asked for.
private func request(_ bytes: UnsafeRawBufferPointer, _ provider: ProviderID) {
    guard JSONScan.validate(bytes), JSONView(bytes).kind == .object else { return }
    do throws(GatewayError) {
        let request = try ResponsesRequest(bytes, for: provider, webSearch: .options, usage: .asked)
        precondition(AnswerPromises.isJSON(request.chat), "the chat is no JSON")
        request.chat.withUnsafeReadableBytes { precondition(JSONView($0).member("messages")?.kind == .array) }
        // What is repeated has its place in every answer.
        let answers = ResponsesAnswers(of: nil, request.echo, provider: provider)
        let chat = #"{"id":"c","choices":[{"index":0,"message":{"content":"hi"},"finish_reason":"stop"}]}"#
        Array(chat.utf8).withUnsafeBytes { AnswerPromises.whole($0, answers) }
    } catch {
        precondition(error.kind == .badChatCompletion && error.origin == .client)
    }
}

@main
enum FuzzResponses: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 1 else { return }
        let bytes = input.from(1)
        let choice = Int(input[0])
        let translator = choice & 0x80 == 0 ? nil : claude
        let answers = ResponsesAnswers(of: translator, asked, provider: translator == nil ? "mistral" : "anthropic")
        switch choice % 3 {
        case 0: request(bytes, translator == nil ? "mistral" : "anthropic")
        case 1: AnswerPromises.whole(bytes, answers)
        default: AnswerPromises.streamed(bytes, answers, step: choice % 13 + 1, .response)
        }
    }
}
