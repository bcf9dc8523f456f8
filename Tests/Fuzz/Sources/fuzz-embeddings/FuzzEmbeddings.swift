import AnswerPromises
import FuzzDriver
import GatewayCore
import NIOCore
import Providers
import WireFormats

private let model = ChatModel(name: "m", place: CredentialPlace(project: "p", region: "us-east1"))

/// Who translates, by the input's first byte.
private let translators: [any ChatTranslator] = ProviderRegistry.builtIn.all.flatMap {
    provider -> [any ChatTranslator] in
    switch provider.embeddings {
    case .adapted(let adapter): return [adapter]
    case .translated(let find):
        return [
            "m", "amazon.titan-embed-text-v2:0", "cohere.embed-v4:0", "text-embedding-004", "google/text-embedding-005",
        ]
        .compactMap { find($0) }
    case .openAI, .unsupported: return []
    }
}

/// All calls that a request becomes are JSON, and an answer to them has as many vectors as there were texts.
private func request(_ bytes: UnsafeRawBufferPointer, _ translator: any ChatTranslator, answer: UnsafeRawBufferPointer)
{
    guard JSONScan.validate(bytes), JSONView(bytes).kind == .object else { return }
    guard let chat = try? translator.request(bytes, for: model) else { return }
    for body in [chat.body] + (chat.further?.bodies ?? []) {
        precondition(AnswerPromises.isJSON(body), "a call is no JSON")
    }
    AnswerPromises.whole(answer, translator, chat.terms)
    let answers = [ByteBuffer](repeating: ByteBuffer(bytes: answer), count: 1 + (chat.further?.bodies.count ?? 0))
    guard let joined = chat.further?.join(answers) else { return }
    joined.withUnsafeReadableBytes { AnswerPromises.whole($0, translator, chat.terms) }
}

@main
enum FuzzEmbeddings: FuzzTarget {
    static func attempt(_ input: UnsafeRawBufferPointer) {
        guard input.count > 3, !translators.isEmpty else { return }
        let translator = translators[Int(input[0]) % translators.count]
        // The request and the answer, one after the other.
        let rest = input.from(3)
        let split = min(Int(input[1]) << 8 | Int(input[2]), rest.count)
        request(UnsafeRawBufferPointer(rebasing: rest[..<split]), translator, answer: rest.from(split))
    }
}
