import GatewayCore
import NIOCore
import Testing

@testable import Providers

@Suite("Chats on Vertex")
struct VertexChatTests {
    private static let account =
        #"{"type":"service_account","project_id":"my-project","region":"europe-west4","private_key":"k"}"#
    private static let vertex = ProviderDefinition.googleVertexAI

    private func chat(_ model: String, _ key: String, _ members: String = "") throws -> TranslatedChat {
        let translator = try #require(Self.vertex.compat.translator(for: model))
        let facts = ChatModel(name: model, place: Self.vertex.credential.place?(key))
        return try Array(#"{"messages":[{"role":"user","content":"hi"}]\#(members)}"#.utf8).withUnsafeBytes {
            try translator.request($0, for: facts)
        }
    }

    private func refusal(_ model: String, _ key: String) -> String {
        do {
            return "accepted: \(try chat(model, key).path)"
        } catch {
            return (error as? GatewayError)?.message ?? "\(error)"
        }
    }

    @Test("a credential tells its project and its region")
    func places() {
        func place(_ key: String) -> CredentialPlace? { Self.vertex.credential.place?(key) }
        let expected = CredentialPlace(project: "my-project", region: "europe-west4")
        #expect(place(Self.account) == expected)
        #expect(place(Base64Text.encode(Array(Self.account.utf8))) == expected)
        #expect(place(#"{"project_id":"p"}"#) == CredentialPlace(project: "p"))
        #expect(place("AIzaSyExample") == CredentialPlace())
        for key in ["ya29.token", "{", "{}", #"{"project_id":1}"#, "eyJhIjoxfQ==", ""] { #expect(place(key) == nil) }
    }

    @Test(
        "every publisher has a path of its own",
        arguments: [
            ("google/gemini-3.8-flash", "", "publishers/google/models/gemini-3.8-flash:generateContent"),
            ("gemini-3.8-flash", #","stream":true"#, "publishers/google/models/gemini-3.8-flash:streamGenerateContent"),
            ("anthropic/claude-x@2025", "", "publishers/anthropic/models/claude-x@2025:rawPredict"),
            ("claude-x", #","stream":true"#, "publishers/anthropic/models/claude-x:streamRawPredict"),
        ])
    func paths(model: String, members: String, end: String) throws {
        let chat = try chat(model, Self.account, members)
        #expect(chat.path == "v1/projects/my-project/locations/europe-west4/\(end)")
        #expect(chat.query == (end.hasSuffix(":streamGenerateContent") ? "alt=sse" : nil))
        let target = try Self.vertex.target(path: chat.path, query: chat.query, account: "a", workersAIAccount: nil)
        #expect(target.origin.host == "europe-west4-aiplatform.googleapis.com")
    }

    @Test("without a region models are global, with an express key outside of projects")
    func otherPlaces() throws {
        #expect(
            try chat("google/gemini-x", #"{"project_id":"p"}"#).path
                == "v1/projects/p/locations/global/publishers/google/models/gemini-x:generateContent"
        )
        #expect(
            try chat("google/gemini-x", "AIzaSyExample").path
                == "v1/publishers/google/models/gemini-x:generateContent"
        )
        #expect(Self.vertex.credential.inject("AIzaSyExample").map(\.name.description) == ["x-goog-api-key"])
        #expect(Self.vertex.credential.inject("ya29.x").map(\.value) == ["Bearer ya29.x"])
    }

    @Test("what tells no sound place is refused in words")
    func refusals() {
        let homeless = "google-vertex-ai needs a service account as its credential: its JSON, with a member `region`"
        #expect(refusal("google/gemini-x", "ya29.token") == homeless)
        #expect(refusal("anthropic/claude-x", "ya29.token") == homeless)
        #expect(refusal("google/gemini-x", #"{"project_id":"../x"}"#) == "the credential names no sound project")
        #expect(
            refusal("google/gemini-x", #"{"project_id":"p","region":"a/b"}"#) == "the credential names no sound region"
        )
        #expect(refusal("google/a/b", Self.account) == "'google/a/b' is no name of a model")
        #expect(refusal("anthropic/a/../b", Self.account) == "'anthropic/a/../b' is no name of a model")
    }

    @Test("Claude gets its Messages, with the version in place of the model")
    func claude() throws {
        let chat = try chat("anthropic/claude-x", Self.account, #","stream":true"#)
        #expect(
            String(buffer: chat.body)
                == #"{"anthropic_version":"vertex-2023-10-16","max_tokens":4096,"stream":true,"#
                + #""messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]}"#
        )
    }

    @Test("Claude's images are put into the request")
    func claudeImages() throws {
        let url = "https://images.test/cat"
        let body = #"{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"\#(url)"}}]}]}"#
        let translator = AnthropicChat(provider: "google-vertex-ai", host: .vertex)
        let model = ChatModel(name: "claude-x", place: CredentialPlace(project: "p"))
        var supplements = ChatSupplements()
        supplements.media[url] = RemoteMedia(mediaType: "image/png", bytes: ByteBuffer(string: "cat"))
        let chat = try Array(body.utf8).withUnsafeBytes { bytes in
            #expect(translator.remoteMedia(bytes, for: model) == [url])
            #expect(AnthropicChat(provider: "anthropic").remoteMedia(bytes, for: model) == [])
            return try translator.request(bytes, for: model, with: supplements)
        }
        #expect(
            String(buffer: chat.body).contains(
                #"{"type":"image","source":{"type":"base64","media_type":"image/png","data":"Y2F0"}}"#)
        )
    }

    @Test("other publishers are reached through the OpenAI-shaped surface")
    func otherPublishers() throws {
        #expect(Self.vertex.compat.translator(for: "meta/llama-x") == nil)
        let place = CredentialPlace(project: "p", region: "us-east5")
        let (target, model) = try Self.vertex.compatTarget(model: "meta/llama-x", place: place)
        #expect(target.path == "/v1/projects/p/locations/us-east5/endpoints/openapi/chat/completions")
        #expect(model == "meta/llama-x")
        #expect(try Self.vertex.compatTarget(model: "gemini-x", place: place).model == "google/gemini-x")
        #expect(throws: GatewayError.self) { try Self.vertex.compatTarget(model: "meta/llama-x", place: nil) }
    }
}
