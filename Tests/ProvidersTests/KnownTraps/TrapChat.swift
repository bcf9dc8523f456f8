import Foundation
import GatewayCore
import NIOCore
import Providers
import Testing
import WireFormats

/// One provider's translation, asked and answered in JSON as the tests of known traps need it.
struct TrapChat {
    let translator: any ChatAnswerTranslator
    private let request: (any ChatTranslator)?
    private let model: ChatModel

    /// - Parameters:
    ///   - name: a model with its provider's prefix.
    ///   - capabilities: words of the catalogue; nil where it says nothing.
    init(_ name: String, _ capabilities: String? = nil, maxOutput: Int? = nil) throws {
        let (provider, bare) = try #require(ProviderRegistry.builtIn.compatTarget(model: name))
        request = provider.compat.translator(for: bare)
        translator = request ?? DialectAnswers(provider: provider.id.rawValue)
        model = ChatModel(
            name: bare, maxOutput: maxOutput,
            capabilities: capabilities.map { Set($0.split(separator: " ").map(String.init)) },
            place: CredentialPlace(project: "p", region: provider.id == "aws-bedrock" ? "us-east-1" : "us-east1"))
    }

    /// The provider's request for an OpenAI chat with these members.
    func sent(_ members: String, with supplements: ChatSupplements = ChatSupplements()) throws -> NSDictionary {
        let request = try #require(request)
        let chat = try Array(#"{"model":"x/m",\#(members)}"#.utf8).withUnsafeBytes {
            try request.request($0, for: model, with: supplements)
        }
        return try Self.object(chat.body)
    }

    /// What a client is told that asks for something impossible; nil: it was not refused.
    func refusal(_ members: String) throws -> String? {
        do {
            _ = try sent(members)
            return nil
        } catch let error as GatewayError {
            #expect(error.kind == .badChatCompletion)
            return error.message
        }
    }

    /// The client's answer to a whole one of the provider's.
    func answered(_ body: String, _ terms: ChatTerms = ChatTerms()) throws -> NSDictionary {
        let answer = try Array(body.utf8).withUnsafeBytes { try translator.answer($0, terms) }
        guard case .completion(let json) = answer else { throw TrapFailure() }
        return try Self.object(json)
    }

    /// What a client gets of events: the data of each, and how the stream stands at its end.
    func streamed(_ events: [String], _ terms: ChatTerms = ChatTerms()) throws -> (
        told: [String], state: ChatStreamState
    ) {
        var stream = translator.stream(terms)
        var parser = SSEParser()
        var out = ByteBuffer()
        for event in events {
            try Array(event.utf8).withUnsafeBytes { try parser.feed($0) { stream.take($0, $1, into: &out) } }
        }
        parser.finish { stream.take($0, $1, into: &out) }
        stream.finish(into: &out)
        let told = String(buffer: out).split(separator: "\n\n").map { String($0.trimmingPrefix("data: ")) }
        return (told, stream.state)
    }

    /// The deltas of a stream's chunks.
    func deltas(_ events: [String]) throws -> [NSDictionary] {
        try streamed(events).told.filter { $0 != "[DONE]" }.flatMap { event -> [NSDictionary] in
            let choices = try Self.object(ByteBuffer(string: event))["choices"] as? [NSDictionary] ?? []
            return choices.compactMap { $0["delta"] as? NSDictionary }
        }
    }

    private static func object(_ json: ByteBuffer) throws -> NSDictionary {
        try #require(try JSONSerialization.jsonObject(with: Data(json.readableBytesView)) as? NSDictionary)
    }
}

struct TrapFailure: Error {}

extension NSDictionary {
    /// The value at a path of keys and indices.
    func at(_ path: String) -> Any? {
        var value: Any? = self
        for step in path.split(separator: ".") {
            if let index = Int(step) {
                guard let list = value as? [Any], list.indices.contains(index) else { return nil }
                value = list[index]
            } else {
                value = (value as? NSDictionary)?[String(step)]
            }
        }
        return value is NSNull ? nil : value
    }

    func text(_ path: String) -> String? { at(path) as? String }
    func list(_ path: String) -> [NSDictionary] { at(path) as? [NSDictionary] ?? [] }

    /// The JSON text with sorted keys, to look for words in.
    var json: String {
        let data = try? JSONSerialization.data(withJSONObject: self, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data ?? Data(), as: UTF8.self)
    }
}
