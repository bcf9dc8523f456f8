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

/// How many texts a request holds that was not refused.
private func texts(_ request: UnsafeRawBufferPointer) -> Int {
    guard let input = JSONView(request).member("input"), input.kind == .array else { return 1 }
    return elements(input)
}

private func elements(_ list: JSONView?) -> Int {
    var count = 0
    list?.forEachElement { _ in count += 1 }
    return count
}

/// An answer that becomes a list of vectors has one for each text; one of OpenAI's own form keeps those that it has.
private func count(
    _ answer: UnsafeRawBufferPointer, _ translator: any ChatTranslator, _ terms: ChatTerms, texts: Int
) {
    guard case .completion(let json)? = try? translator.answer(answer, terms) else { return }
    let expected = translator.foreignAnswers == .relayed ? elements(JSONView(answer).member("data")) : texts
    json.withUnsafeReadableBytes { bytes in
        let data = JSONView(bytes).member("data")
        precondition(data?.kind == .array && elements(data) == expected, "not as many vectors as there were texts")
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
    let texts = texts(bytes)
    AnswerPromises.whole(answer, translator, chat.terms)
    count(answer, translator, chat.terms, texts: texts)
    let answers = [ByteBuffer](repeating: ByteBuffer(bytes: answer), count: 1 + (chat.further?.bodies.count ?? 0))
    guard let joined = chat.further?.join(answers) else { return }
    joined.withUnsafeReadableBytes { joined in
        AnswerPromises.whole(joined, translator, chat.terms)
        count(joined, translator, chat.terms, texts: texts)
    }
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
