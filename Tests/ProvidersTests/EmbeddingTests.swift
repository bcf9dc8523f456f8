import GatewayCore
import NIOCore
import Providers
import Testing
import WireFormats

private func translator(_ slug: String, _ model: String) throws -> any EmbeddingTranslator {
    let provider = try #require(ProviderRegistry.builtIn.provider(segment: slug))
    guard case .translated(let find) = provider.embeddings else { throw NoTranslator() }
    return try #require(find(model))
}

private struct NoTranslator: Error {}

private func translated(
    _ slug: String, _ model: String, _ body: String, place: CredentialPlace? = nil
) throws -> TranslatedChat {
    let translator = try translator(slug, model)
    let facts = ChatModel(name: model, place: place)
    let result: Result<TranslatedChat, GatewayError> = ByteBuffer(string: body).withUnsafeReadableBytes { bytes in
        do throws(GatewayError) { return .success(try translator.request(bytes, for: facts)) } catch {
            return .failure(error)
        }
    }
    return try result.get()
}

private func answer(_ slug: String, _ model: String, _ chat: TranslatedChat, _ text: String) throws -> String {
    let translator = try translator(slug, model)
    let result: Result<ChatAnswer, GatewayError> = ByteBuffer(string: text).withUnsafeReadableBytes { bytes in
        do throws(GatewayError) { return .success(try translator.answer(bytes, chat.terms)) } catch {
            return .failure(error)
        }
    }
    guard case .completion(let json) = try result.get() else { return "failed" }
    return String(buffer: json)
}

/// A list of `count` texts.
private func list(_ count: Int) -> String { "[" + (0..<count).map { "\"t\($0)\"" }.joined(separator: ",") + "]" }

private let vertex = CredentialPlace(project: "p-1", region: "europe-west4")

@Suite struct EmbeddingTests {
    @Test(
        "each provider gets its own form of a request",
        arguments: [
            (
                "google-ai-studio", "gemini-embedding-001", "v1beta/models/gemini-embedding-001:batchEmbedContents",
                #"{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"taskType":"Q","outputDimensionality":8},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"taskType":"Q","outputDimensionality":8}]}"#
            ),
            (
                "cohere", "embed-v4.0", "v2/embed",
                #"{"model":"embed-v4.0","texts":["a","b"],"input_type":"Q","embedding_types":["float"],"output_dimension":8}"#
            ),
            (
                "google-vertex-ai", "google/text-embedding-005",
                "v1/projects/p-1/locations/europe-west4/publishers/google/models/text-embedding-005:predict",
                #"{"instances":[{"content":"a","task_type":"Q"},{"content":"b","task_type":"Q"}],"parameters":{"outputDimensionality":8}}"#
            ),
            (
                "aws-bedrock", "cohere.embed-english-v3",
                "bedrock-runtime/europe-west4/model/cohere.embed-english-v3/invoke",
                #"{"texts":["a","b"],"input_type":"Q","embedding_types":["float"],"output_dimension":8}"#
            ),
        ])
    func requests(slug: String, model: String, path: String, body: String) throws {
        let chat = try translated(
            slug, model, #"{"model":"x","input":["a","b"],"dimensions":8,"input_type":"Q"}"#, place: vertex)
        #expect(chat.path == path)
        #expect(String(buffer: chat.body) == body)
        #expect(chat.further == nil)
    }

    @Test("models that take one text at a time are called once for each")
    func oneByOne() throws {
        let titan = try translated(
            "aws-bedrock", "amazon.titan-embed-text-v2:0", #"{"input":["a","b","c"],"dimensions":256}"#)
        #expect(titan.path == "bedrock-runtime/us-east-1/model/amazon.titan-embed-text-v2%3A0/invoke")
        #expect(String(buffer: titan.body) == #"{"inputText":"a","dimensions":256,"normalize":true}"#)
        #expect(titan.further?.bodies.count == 2)
        let nova = try translated("aws-bedrock", "amazon.nova-2-multimodal-embeddings-v1:0", #"{"input":"a"}"#)
        #expect(
            String(buffer: nova.body)
                == #"{"taskType":"SINGLE_EMBEDDING","singleEmbeddingParams":{"embeddingPurpose":"GENERIC_INDEX","text":{"truncationMode":"END","value":"a"}}}"#
        )
        let gemini = try translated(
            "google-vertex-ai", "google/gemini-embedding-001", #"{"input":["a","b"]}"#, place: vertex)
        #expect(gemini.path.hasSuffix("gemini-embedding-001:predict") && gemini.further?.bodies.count == 1)
        let second = try translated("google-vertex-ai", "gemini-embedding-2", #"{"input":["a"]}"#, place: vertex)
        #expect(second.path.hasSuffix("/gemini-embedding-2:embedContent"))
        #expect(String(buffer: second.body) == #"{"content":{"parts":[{"text":"a"}]}}"#)
    }

    @Test(
        "large requests are split at what one call may hold",
        arguments: [
            ("cohere", "embed-v4.0", 96, 0), ("cohere", "embed-v4.0", 97, 1), ("cohere", "embed-v4.0", 2048, 21),
            ("google-ai-studio", "gemini-embedding-001", 100, 0), ("google-ai-studio", "gemini-embedding-001", 101, 1),
            ("google-vertex-ai", "google/text-embedding-005", 251, 1),
        ])
    func splitting(slug: String, model: String, count: Int, further: Int) throws {
        let chat = try translated(slug, model, #"{"input":\#(list(count))}"#, place: vertex)
        #expect((chat.further?.bodies.count ?? 0) == further)
        let all = ([chat.body] + (chat.further?.bodies ?? [])).map { String(buffer: $0) }.joined()
        for index in [0, count / 2, count - 1] { #expect(all.contains("\"t\(index)\"")) }
    }

    @Test(
        "each provider's answer becomes a list in OpenAI's form, with what is known of tokens",
        arguments: [
            (
                "google-ai-studio", "m",
                #"{"embeddings":[{"values":[3,4]},{"values":[1,0]}],"usageMetadata":{"promptTokenCount":7}}"#,
                "[0.6,0.8]", 7
            ),
            (
                "cohere", "m",
                #"{"embeddings":{"float":[[0.5,-1],[2,3]]},"meta":{"billed_units":{"input_tokens":7}}}"#, "[0.5,-1.0]",
                7
            ),
            ("cohere", "m", #"{"embeddings":[[0.5,-1],[2,3]]}"#, "[0.5,-1.0]", nil),
            (
                "google-vertex-ai", "m",
                #"{"predictions":[{"embeddings":{"values":[3,4],"statistics":{"token_count":3}}},{"embeddings":{"values":[1,0],"statistics":{"token_count":4}}}]}"#,
                "[0.6,0.8]", 7
            ),
            ("aws-bedrock", "cohere.embed-x", #"{"embeddings":{"float":[[0.5,-1],[2,3]]}}"#, "[0.5,-1.0]", nil),
        ] as [(String, String, String, String, Int?)])
    func answers(slug: String, model: String, text: String, first: String, tokens: Int?) throws {
        let chat = try translated(slug, model, #"{"input":["a","b"]}"#, place: vertex)
        let found = try answer(slug, model, chat, text)
        #expect(found.hasPrefix(#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":\#(first)}"#))
        #expect(found.contains(#""index":1"#))
        let usage = tokens.map { #","usage":{"prompt_tokens":\#($0),"total_tokens":\#($0)}}"# } ?? "}"
        #expect(found.hasSuffix(#"],"model":"\#(model)"\#(usage)"#))
    }

    @Test("the answers of several calls are joined in order, their tokens added up")
    func joining() throws {
        let titan = try translator("aws-bedrock", "amazon.titan-embed-text-v1")
        let chat = try translated("aws-bedrock", "amazon.titan-embed-text-v1", #"{"input":["a","b"]}"#)
        let joined = try #require(
            titan.joined([
                ByteBuffer(string: #"{"embedding":[1,2],"inputTextTokenCount":3}"#),
                ByteBuffer(string: #"{"embedding":[3,4],"inputTextTokenCount":4}"#),
            ]))
        let found = try answer("aws-bedrock", "amazon.titan-embed-text-v1", chat, String(buffer: joined))
        #expect(
            found
                == #"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,2.0]},{"object":"embedding","index":1,"embedding":[3.0,4.0]}],"model":"amazon.titan-embed-text-v1","usage":{"prompt_tokens":7,"total_tokens":7}}"#
        )
        #expect(titan.joined([ByteBuffer(string: "{}")]) == nil)
        let cohere = try translator("cohere", "m")
        let part = ByteBuffer(string: #"{"embeddings":{"float":[[1]]},"meta":{"billed_units":{"input_tokens":2}}}"#)
        #expect(
            cohere.joined([part, part]).map { String(buffer: $0) }
                == #"{"embeddings":{"float":[[1],[1]]},"meta":{"billed_units":{"input_tokens":4}}}"#)
        let studio = try translator("google-ai-studio", "m")
        #expect(
            studio.joined([ByteBuffer(string: #"{"embeddings":[{"values":[1]}]}"#)]).map { String(buffer: $0) }
                == #"{"embeddings":[{"values":[1]}]}"#)
    }

    @Test("base64 is what the official SDKs unpack: little-endian floats")
    func base64() throws {
        let chat = try translated("cohere", "m", #"{"input":"a","encoding_format":"base64"}"#)
        let found = try answer("cohere", "m", chat, #"{"embeddings":{"float":[[1,-2.5]]}}"#)
        #expect(found.contains(#""embedding":"AACAPwAAIMA=""#))
    }

    @Test("fewer or other vectors than there were inputs are no answer")
    func mismatch() throws {
        let chat = try translated("cohere", "m", #"{"input":["a","b"]}"#)
        for text in [#"{"embeddings":{"float":[[1]]}}"#, #"{"embeddings":{"float":[["x"],[1]]}}"#, "{}", "", "[]"] {
            #expect(throws: GatewayError.self) { try answer("cohere", "m", chat, text) }
        }
    }

    @Test(
        "requests that make no sense are refused in words",
        arguments: [
            "{}", #"{"input":""}"#, #"{"input":[]}"#, #"{"input":["a",""]}"#, #"{"input":[1,2]}"#,
            #"{"input":[[1],[2]]}"#,
            #"{"input":{"a":1}}"#, #"{"input":"a","dimensions":0}"#, #"{"input":"a","dimensions":"x"}"#,
            #"{"input":"a","encoding_format":"hex"}"#, #"{"input":\#(list(2049))}"#,
        ])
    func refusals(body: String) {
        do {
            _ = try translated("cohere", "m", body)
            Issue.record("not refused")
        } catch {
            let refusal = error as? GatewayError
            #expect(refusal?.kind == .badChatCompletion && refusal?.message != nil)
        }
    }

    @Test("Vertex needs to know the project")
    func noProject() {
        #expect(throws: GatewayError.self) {
            try translated("google-vertex-ai", "google/text-embedding-005", #"{"input":"a"}"#)
        }
    }

    @Test("a model's name never leaves its segment of the path")
    func hostileNames() throws {
        let chat = try translated("google-ai-studio", "../x?y#z%2F/é", #"{"input":"a"}"#)
        #expect(chat.path == "v1beta/models/..%2Fx%3Fy%23z%252F%2F%C3%A9:batchEmbedContents")
        #expect(throws: GatewayError.self) { try translated("google-ai-studio", "..", #"{"input":"a"}"#) }
    }

    @Test("providers of OpenAI's shape get the member that they know, and their numbers become base64")
    func adapted() throws {
        guard case .adapted(let adapter) = ProviderRegistry.builtIn.provider(segment: "mistral")!.embeddings else {
            Issue.record("not adapted")
            return
        }
        let asked = ByteBuffer(
            string: #"{"model":"mistral/m","input":["a"],"dimensions":8,"encoding_format":"base64","x":1}"#)
        let chat = try asked.withUnsafeReadableBytes { try adapter.request($0, for: ChatModel(name: "m")) }
        #expect(
            String(buffer: chat.body)
                == #"{"input":["a"],"output_dimension":8,"encoding_format":"base64","x":1,"model":"m"}"#)
        let numbers = ByteBuffer(
            string: #"{"id":"e","data":[{"index":0,"embedding":[1,-2.5]}],"usage":{"prompt_tokens":1}}"#)
        let found = try numbers.withUnsafeReadableBytes { try adapter.answer($0, chat.terms) }
        #expect(
            found
                == .completion(
                    ByteBuffer(
                        string:
                            #"{"id":"e","data":[{"index":0,"embedding":"AACAPwAAIMA="}],"usage":{"prompt_tokens":1}}"#))
        )
        let packed = ByteBuffer(string: #"{"data":[ {"embedding":"AAAA"} ]}"#)
        #expect(try packed.withUnsafeReadableBytes { try adapter.answer($0, chat.terms) } == .completion(packed))
    }
}
