import AnswerPromises
import FuzzDriver
import GatewayCore
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

/// A request that is translated is JSON, at a path that can stand in a request line.
private func request(_ bytes: UnsafeRawBufferPointer, _ translator: any ChatTranslator, _ model: ChatModel) {
    guard JSONScan.validate(bytes), JSONView(bytes).kind == .object else { return }
    var supplements = ChatSupplements()
    for url in translator.remoteMedia(bytes, for: model) {
        supplements.media[url] = RemoteMedia(mediaType: "image/png", bytes: ByteBuffer(string: "x"))
    }
    for id in translator.callsWithoutReasoning(bytes, for: model) { supplements.reasoning[id] = "U0lH" }
    guard let chat = try? translator.request(bytes, for: model, with: supplements) else { return }
    precondition(AnswerPromises.isJSON(chat.body), "the translated request is no JSON")
    precondition(chat.path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != 0x3F && $0 != 0x23 }, "a path with gaps")
}

@main
enum FuzzChat: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 2, !translators.isEmpty else { return }
        let bytes = input.from(2)
        let translator = translators[Int(input[0]) % translators.count]
        let choice = Int(input[1])
        switch choice % 3 {
        case 0: request(bytes, translator, models[choice / 3 % models.count])
        case 1: AnswerPromises.whole(bytes, translator)
        default: AnswerPromises.streamed(bytes, translator, step: choice % 13 + 1, .done)
        }
    }
}
