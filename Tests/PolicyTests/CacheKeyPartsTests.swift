import GatewayCore
import Policy
import TestKit
import Testing

/// Numbers what would be hashed instead of hashing it, so that equal digests mean equal input.
@WorkerLoop
private final class TransparentHasher: ContentHasher {
    private static var contents: [[UInt8]] = []
    private var fed: [UInt8] = []
    private(set) var updates = 0

    func begin() {
        fed = []
        updates = 0
    }
    func update(_ piece: UnsafeRawBufferPointer) {
        fed.append(contentsOf: piece)
        updates += 1
    }
    func finish() -> ContentDigest {
        let number = Self.contents.firstIndex(of: fed) ?? Self.contents.count
        if number == Self.contents.count { Self.contents.append(fed) }
        return ContentDigest(words: SIMD4(UInt64(number), 0, 0, 0))
    }
}

private struct Request: Sendable {
    var account: AccountID = "0123456789abcdef0123456789abcdef"
    var gateway: GatewayID = "g"
    var epoch: UInt64 = 7
    var provider: ProviderID = "openai"
    var providerEpoch: UInt64?
    var surface = CacheKeyParts.Surface.native
    var method = "POST"
    var path = "/v1/chat/completions"
    var query: String?
    var model: String?
    var credential = CredentialIdentity.request(Secret(Array("sk-1".utf8)))
    var body = #"{"model":"m"}"#
    var name: String?

    init(_ change: (inout Request) -> Void = { _ in }) { change(&self) }

    func with(_ change: (inout Request) -> Void) -> Request {
        var other = self
        change(&other)
        return other
    }

    private var parts: CacheKeyParts {
        var plan = GatewayPlan(account: account, id: gateway)
        plan.cacheEpoch = epoch
        return CacheKeyParts(
            gateway: plan, provider: provider, providerEpoch: providerEpoch, surface: surface, method: method,
            path: path, query: query, model: model, credential: credential
        )
    }

    /// The key of another body, from what is remembered of this request.
    @WorkerLoop
    func key(_ body: String, _ hasher: any ContentHasher) -> CacheKey {
        let remembered = parts.remembered()
        return Array(body.utf8).withUnsafeBytes { remembered.key(body: $0, hasher: hasher) }
    }

    @WorkerLoop
    func key(_ hasher: any ContentHasher = TransparentHasher()) -> CacheKey {
        let parts = parts
        if let name { return parts.key(named: name, hasher: hasher) }
        return Array(body.utf8).withUnsafeBytes { parts.key(body: $0, hasher: hasher) }
    }
}

/// Requests of which no two may share an answer.
private let distinct: [Request] = [
    Request(),
    Request { $0.account = "1123456789abcdef0123456789abcdef" },
    Request { $0.gateway = "h" },
    Request { $0.provider = "groq" },
    Request { $0.providerEpoch = 0 },
    Request { $0.providerEpoch = 1 },
    Request { $0.surface = .compat },
    Request { $0.method = "GET" },
    Request { $0.path = "/v1/responses" },
    Request { $0.path = "/v1/Chat/completions" },
    Request { $0.query = "" },
    Request { $0.query = "alt=sse" },
    Request { $0.path = "/v1/chat/completions?alt=sse" },
    Request { $0.model = "" },
    Request { $0.model = "m" },
    Request { $0.query = "m" },
    Request { $0.credential = .none },
    Request { $0.credential = .request(Secret(Array("sk-2".utf8))) },
    Request { $0.credential = .request(Secret(Array("".utf8))) },
    Request { $0.credential = .stored("sk-1") },
    Request { $0.credential = .stored("sk-2") },
    Request { $0.body = #"{"model": "m"}"# },
    Request { $0.body = "" },
    Request { ($0.path, $0.method) = ("/v1/chat/completion", "POSTs") },
    // The parts of one request run together differently.
    Request { ($0.path, $0.body) = ("/v1", "/chat/completions" + $0.body) },
    Request { ($0.credential, $0.body) = (.request(Secret(Array(("sk-1" + $0.body).utf8))), "") },
    Request { ($0.gateway, $0.provider) = ("gopenai", "") },
    Request { $0.name = "k" },
    Request { $0.name = "" },
    Request { ($0.name, $0.gateway) = ("k", "h") },
    Request { ($0.name, $0.account) = ("k", "1123456789abcdef0123456789abcdef") },
    Request { ($0.name, $0.providerEpoch, $0.provider) = ("k", 1, "custom-a") },
    Request { ($0.name, $0.providerEpoch, $0.provider) = ("k", 2, "custom-a") },
    Request { ($0.name, $0.providerEpoch, $0.provider) = ("k", 1, "custom-b") },
]

@Suite("Keys of stored answers")
struct CacheKeyPartsTests {
    @Test("no two requests that differ in any part have the same key")
    func injective() async {
        await TestLoop.run {
            var seen: [ContentDigest: Int] = [:]
            for (index, request) in distinct.enumerated() {
                let digest = request.key().digest
                #expect(seen[digest] == nil, "rows \(seen[digest] ?? -1) and \(index)")
                seen[digest] = index
            }
        }
    }

    @Test("equal requests have equal keys, under the gateway's epoch")
    func equal() async {
        await TestLoop.run {
            #expect(Request().key() == Request().key())
            #expect(Request().key().epoch == 7)
            #expect(Request { $0.epoch = 8 }.key() != Request().key())
        }
    }

    @Test("a chosen key is the same whatever provider, path, model, credential and body")
    func chosen() async {
        await TestLoop.run {
            let key = Request { $0.name = "k" }.key()
            let other = Request {
                $0.name = "k"
                ($0.provider, $0.path, $0.model, $0.body) = ("groq", "/x", "y", "z")
                ($0.credential, $0.method, $0.surface, $0.query) = (.none, "PUT", .compat, "q")
            }
            #expect(other.key() == key)
        }
    }

    @Test("what is remembered of a request gives every body the key that the request gives it")
    func remembered() async {
        await TestLoop.run {
            let hasher = TransparentHasher()
            for request in distinct where request.name == nil {
                for body in ["", "{}", request.body] {
                    let same = request.with { $0.body = body }
                    #expect(request.key(body, hasher) == same.key(hasher))
                }
            }
        }
    }

    @Test("the body is fed in place, not copied into the parts")
    func updates() async {
        await TestLoop.run {
            let hasher = TransparentHasher()
            _ = Request().key(hasher)
            #expect(hasher.updates == 2)
        }
    }
}
