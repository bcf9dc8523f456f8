import NIOCore
import Testing

@testable import GatewayCore

@Suite("Encoded records, snapshots and messages")
struct CodingTests {
    private static func fullRecord() -> RequestRecord {
        var record = RequestRecord(
            id: LogID(high: 7, low: 9), eventID: "e-1", account: "0123456789abcdef0123456789abcdef", gateway: "g",
            createdAt: Instant(microseconds: 1_700_000_000_123_456)
        )
        record.provider = "openai"
        record.model = "gpt-4o-mini"
        record.modelType = "chat"
        record.path = "chat/completions"
        record.requestType = "compat"
        record.requestContentType = "application/json"
        record.responseContentType = "text/event-stream"
        record.status = 200
        record.success = true
        record.cached = true
        record.step = 3
        record.duration = .microseconds(1234)
        record.firstByte = .microseconds(12)
        record.usage.input = 1000
        record.usage.output = 500
        record.usage.searchUnits = 4
        record.usage.upstreamCost = PicoUSD(picoDollars: 5)
        record.usage.serviceTier = "flex"
        record.cost = PicoUSD(picoDollars: -1)
        record.customCost = true
        record.metadata = #"{"team":"search"}"#
        record.requestSize = 12
        record.responseSize = 34
        record.requestBody = ByteBuffer(string: "{}")
        record.responseBody = ByteBuffer(bytes: [0, 255, 1])
        record.requestBodyComplete = false
        record.streamed = true
        record.authenticated = true
        record.token = "t"
        record.keyAlias = "default"
        record.userAgent = "curl"
        record.errorCode = 2005
        record.feedback = -1
        record.droppedMembers = "seed,top_k"
        record.traceID = "0af7651916cd43dd8448eb211c80319c"
        record.parentSpanID = "b7ad6b7169203331"
        record.retried = true
        return record
    }

    @Test("a record with every member set reads back equal")
    func record() {
        let record = Self.fullRecord()
        var buffer = ByteBuffer()
        record.encode(into: &buffer)
        #expect(RequestRecord(decoding: buffer) == record)
    }

    @Test("unknown members stay unknown")
    func sparseRecord() throws {
        var buffer = ByteBuffer()
        let record = RequestRecord(
            id: LogID(high: 1, low: 2), eventID: "e", account: "a", gateway: "g", createdAt: Instant(microseconds: 0)
        )
        record.encode(into: &buffer)
        let read = try #require(RequestRecord(decoding: buffer))
        #expect(read == record)
        #expect(read.usage.input == nil && read.cost == nil && read.requestBody == nil)
    }

    @Test("a record of a release that knew nothing of tries is that of a request")
    func olderRecord() throws {
        var writer = TaggedWriter()
        writer.write(1, fixed: 7)
        writer.write(2, fixed: 9)
        writer.write(4, "a")
        writer.write(5, "g")
        writer.write(15, UInt64(503))
        let read = try #require(RequestRecord(decoding: writer.buffer))
        #expect(read.status == 503 && !read.retried && !read.unlogged)
        writer.write(42, UInt64(1))
        #expect(try #require(RequestRecord(decoding: writer.buffer)).retried)
    }

    @Test("a record cut at any byte is refused or lacks only trailing members")
    func cutRecord() {
        var buffer = ByteBuffer()
        Self.fullRecord().encode(into: &buffer)
        for length in 0..<buffer.readableBytes {
            let part = buffer.getSlice(at: 0, length: length) ?? ByteBuffer()
            if let read = RequestRecord(decoding: part) { #expect(read.id == LogID(high: 7, low: 9)) }
        }
    }

    @Test("a snapshot reads back equal, and one with missing entries is refused")
    func snapshot() throws {
        var snapshot = ConfigSnapshot(version: 42)
        snapshot.accounts = ["a"]
        var gateway = GatewayPlan(account: "a", id: "g")
        gateway.authentication = true
        gateway.collectLogs = false
        gateway.retryBackoff = .exponential
        gateway.retryMaxAttempts = 3
        gateway.rateLimitTechnique = .sliding
        snapshot.gateways = [gateway]
        snapshot.tokens = [
            TokenGrant(
                id: "t", hash: Array(0..<32), account: "a", permissions: [.run, .edit, .analytics],
                notBefore: Instant(microseconds: 3), expiresAt: Instant(microseconds: 5))
        ]
        var key = ProviderKey(
            account: "a", gateway: "g", provider: "openai", alias: "prod", isDefault: true, secret: "s")
        key.rateLimit = 9
        snapshot.providerKeys = [key]
        snapshot.secrets = [SealedSecret(id: "s", account: "a", name: "n", envelope: [1, 2, 3])]
        var custom = CustomProviderPlan(
            account: "a", slug: "acme", baseURL: "https://api.acme.test/v1", isEnabled: true, cacheEpoch: 5
        )
        custom.headers = SealedSecret(id: "h", account: "a", name: "", envelope: [4, 5])
        snapshot.customProviders = [
            custom, CustomProviderPlan(account: "b", slug: "off", baseURL: "https://b.test", isEnabled: false),
        ]
        let bytes = snapshot.encoded()
        #expect(ConfigSnapshot(decoding: bytes) == snapshot)
        for length in 0..<bytes.readableBytes {
            let part = try #require(bytes.getSlice(at: 0, length: length))
            #expect(ConfigSnapshot(decoding: part) == nil)
        }
    }

    @Test("worker settings read back equal")
    func settings() {
        var settings = WorkerSettings(stateDirectory: "/s")
        settings.redis = RedisEndpoint(
            address: .tcp(host: "h", port: 1), usesTLS: true, username: "u", password: Secret("p"),
            database: 3
        )
        settings.redisUnavailable = .refuse
        settings.cacheMaxEntry = 5
        settings.coalescing = .off
        var override = WorkerSettings.ProviderOverride(provider: "openai")
        override.baseURL = "http://x"
        override.enabled = false
        override.tokenURL = "http://y/token"
        settings.providers = [override]
        settings.trustedProxies = ["10.0.0.0/8"]
        settings.egressAllowsPrivateAddresses = true
        settings.mediaFetching = .off
        #expect(WorkerSettings(decoding: settings.encoded()) == settings)
    }

    @Test("control messages survive being cut and glued")
    func controlLink() throws {
        let sent: [ControlLink.FromControl] = [
            .snapshot(ConfigSnapshot(version: 1).encoded()), .provisioned(request: 7, problem: "no"),
            .provisioned(request: 8, problem: nil),
            .store(.postgres, isAvailable: true, since: Instant(microseconds: 3)),
        ]
        var stream = ByteBuffer()
        for message in sent { stream.writeImmutableBuffer(ControlLink.encode(message)) }
        var received: [ControlLink.FromControl] = []
        var pending = ByteBuffer()
        while let byte = stream.readSlice(length: 1) {
            pending.writeImmutableBuffer(byte)
            while let message = try ControlLink.decodeFromControl(&pending) { received.append(message) }
        }
        #expect(received == sent)
    }

    @Test("an absurd frame length is refused")
    func absurdFrame() {
        var buffer = ByteBuffer(bytes: [0xff, 0xff, 0xff, 0xff, 1])
        #expect(throws: ControlLink.Malformed.self) { try ControlLink.decodeFromControl(&buffer) }
    }
}
