import GatewayCore
import NIOCore
import RedisStore
import TestKit
import WorkerRuntime

/// A worker's access to the answers in Redis, with patience for a busy machine.
@WorkerLoop
struct StoreFixture {
    nonisolated static let account: AccountID = "0123456789abcdef0123456789abcdef"
    nonisolated static let gateway: GatewayID = "search"
    nonisolated static let prefix = "aig:{0123456789abcdef0123456789abcdef/search}:"

    let connection: RedisConnection
    let store: RedisAnswerStore
    let watch: StoreWatch

    static var patient: RedisConnection.Options {
        var options = RedisConnection.Options()
        options.deadline = .seconds(20)
        options.connectDeadline = .seconds(20)
        return options
    }

    static func connected(
        to server: RedisServer, leaseLife: Duration = .seconds(60), options: RedisConnection.Options = patient
    ) async throws -> StoreFixture {
        let watch = StoreWatch()
        let scripts = GateScripts()
        let connection = try RedisConnection(
            RedisEndpoint(address: .unix(path: server.socketPath)), loop: TestLoop.loop, observer: watch,
            clock: SystemClock(), scripts: scripts.all, options: options
        )
        connection.start()
        while await watch.next() != .available {}
        var storeOptions = RedisAnswerStore.Options()
        storeOptions.leaseLife = leaseLife
        storeOptions.failureLife = .seconds(60)
        let store = RedisAnswerStore(
            connection, scripts: scripts, observer: watch, clock: SystemClock(), options: storeOptions
        )
        return StoreFixture(connection: connection, store: store, watch: watch)
    }

    static func key(_ name: UInt8, epoch: UInt64 = 1) -> CacheKey {
        CacheKey(digest: ContentDigest(Array(repeating: name, count: 32)), epoch: epoch)
    }

    static func place(_ name: UInt8, epoch: UInt64 = 1) -> AnswerPlace {
        AnswerPlace(account: account, gateway: gateway, key: key(name, epoch: epoch))
    }

    static func answer(_ text: String, delivery: AnswerForm.Delivery = .whole) -> KeptAnswer {
        KeptAnswer(
            form: AnswerForm(
                status: 200, contentType: delivery == .whole ? "application/json" : "text/event-stream",
                delivery: delivery
            ),
            payload: ByteBuffer(string: text)
        )
    }

    func ask(
        _ key: CacheKey? = nil, reading: CacheLookup = .read, lease: String? = nil, limits: [RateRule] = []
    ) async -> StoreVerdict {
        let question = StoreQuestion(
            account: Self.account, gateway: Self.gateway,
            lookup: key.map {
                StoreQuestion.Lookup(key: $0, reading: reading, lease: lease.map { LeaseToken($0) })
            },
            limits: limits
        )
        return await withCheckedContinuation { continuation in
            store.ask(question) { continuation.resume(returning: $0) }
        }
    }

    func look(_ place: AnswerPlace, _ lease: String, from offset: Int = 0) async -> LeaseView {
        await withCheckedContinuation { continuation in
            store.look(at: place, lease: LeaseToken(lease), from: offset) { continuation.resume(returning: $0) }
        }
    }

    func renew(_ place: AnswerPlace, _ lease: String) async -> LeaseStanding {
        await withCheckedContinuation { continuation in
            store.renew(LeaseToken(lease), at: place) { continuation.resume(returning: $0) }
        }
    }

    func publish(_ place: AnswerPlace, _ lease: String, at offset: Int, _ text: String) async -> LeaseStanding {
        let part = LivePart(
            form: Self.answer("", delivery: .stream).form, offset: offset, bytes: ByteBuffer(string: text)
        )
        return await withCheckedContinuation { continuation in
            store.publish(part, lease: LeaseToken(lease), at: place) { continuation.resume(returning: $0) }
        }
    }

    func close() { connection.close() }
}
