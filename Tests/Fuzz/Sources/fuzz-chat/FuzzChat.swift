import CFuzzer
import GatewayCore
import Glibc
import NIOCore
import Providers
import WireFormats

/// Who translates, by the input's first byte.
private let translators: [any ChatTranslator] = [
    "anthropic/claude-x", "google-ai-studio/gemini-2.5-flash", "google-vertex-ai/google/gemini-3-pro",
    "google-vertex-ai/anthropic/claude-x", "aws-bedrock/amazon.nova-x", "cohere/command-x",
].compactMap { name -> (any ChatTranslator)? in
    guard let (provider, model) = ProviderRegistry.builtIn.compatTarget(model: name) else { return nil }
    return provider.compat.translator(for: model)
}

private let models: [ChatModel] = ["gemini-1.5-pro", "gemini-2.5-pro", "gemini-3-flash", "gemma-3", "claude-x"].map {
    ChatModel(
        name: $0, capabilities: $0 == "gemma-3" ? ["no_system"] : nil,
        // Google's regions and Amazon's are not spelt alike, and each refuses the other's.
        place: CredentialPlace(project: "p", region: $0 == "claude-x" ? "us-east-1" : "us-east1")
    )
}

private func isJSON(_ bytes: ByteBuffer) -> Bool {
    bytes.withUnsafeReadableBytes { JSONScan.validate($0) }
}

/// A request that is translated is JSON, at a path that can stand in a request line.
private func request(_ bytes: UnsafeRawBufferPointer, _ translator: any ChatTranslator, _ model: ChatModel) {
    guard JSONScan.validate(bytes), JSONView(bytes).kind == .object else { return }
    var supplements = ChatSupplements()
    for url in translator.remoteMedia(bytes, for: model) {
        supplements.media[url] = RemoteMedia(mediaType: "image/png", bytes: ByteBuffer(string: "x"))
    }
    for id in translator.callsWithoutReasoning(bytes, for: model) { supplements.reasoning[id] = "U0lH" }
    guard let chat = try? translator.request(bytes, for: model, with: supplements) else { return }
    precondition(isJSON(chat.body), "the translated request is no JSON")
    precondition(chat.path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3F && $0 != 0x23 }, "a path with gaps")
}

private func answer(_ bytes: UnsafeRawBufferPointer, _ translator: any ChatTranslator) {
    var notes: [ReasoningNote] = []
    if case .completion(let json)? = try? translator.answer(bytes, ChatTerms(), noting: &notes) {
        precondition(isJSON(json), "the translated answer is no JSON")
    }
    precondition(isJSON(translator.failure(status: 500, bytes).json), "the translated error is no JSON")
}

/// The events of a translated stream, and how it ended.
private func events(
    _ bytes: UnsafeRawBufferPointer, _ translator: any ChatTranslator, step: Int
) -> (out: ByteBuffer, state: ChatStreamState) {
    var stream = translator.stream(ChatTerms())
    var parser = SSEParser()
    var out = ByteBuffer()
    var at = 0
    while at < bytes.count {
        let end = min(bytes.count, at + step)
        do {
            try parser.feed(UnsafeRawBufferPointer(rebasing: bytes[at..<end])) { stream.take($0, $1, into: &out) }
        } catch {
            break
        }
        at = end
    }
    parser.finish { stream.take($0, $1, into: &out) }
    stream.finish(into: &out)
    return (out, stream.state)
}

private func stream(_ bytes: UnsafeRawBufferPointer, _ translator: any ChatTranslator, step: Int) {
    let (out, state) = events(bytes, translator, step: .max >> 1)
    let (cut, cutState) = events(bytes, translator, step: step)
    // Ids that are made up differ, and have one length.
    precondition(out.readableBytes == cut.readableBytes && state == cutState, "cutting the stream changed the answer")
    var parser = SSEParser()
    var isDone = false
    out.withUnsafeReadableBytes { raw in
        try? parser.feed(raw) { _, data in
            precondition(!isDone, "an event after the last one")
            isDone = data.elementsEqual("[DONE]".utf8)
            precondition(isDone || JSONScan.validate(data), "an event is no JSON")
        }
    }
    precondition(isDone == (state == .complete), "only what is complete has a last event")
}

@main
enum FuzzChat {
    static func main() {
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(LLVMFuzzerRunDriver(&count, &arguments) { tryInput($0, $1) })
    }
}

// libFuzzer's archive also refers to the callback by this name.
@_cdecl("LLVMFuzzerTestOneInput")
func tryInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    guard let start, count > 2, !translators.isEmpty else { return 0 }
    let bytes = UnsafeRawBufferPointer(start: start + 2, count: count - 2)
    let translator = translators[Int(start[0]) % translators.count]
    let choice = Int(start[1])
    switch choice % 3 {
    case 0: request(bytes, translator, models[choice / 3 % models.count])
    case 1: answer(bytes, translator)
    default: stream(bytes, translator, step: choice % 13 + 1)
    }
    return 0
}
