import GatewayCore
import RedisStore
import TestKit
import Testing
import WorkerRuntime

@Suite("Reasoning in Redis")
struct RedisReasoningStoreTests {
    private static let scope = ReasoningScope(
        account: StoreFixture.account, gateway: StoreFixture.gateway, reach: .fleet)

    @Test("notes are kept for a day under the gateway's tag, and another worker finds them in one command")
    func sharing() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let first = try await StoreFixture.connected(to: server)
            let second = try await StoreFixture.connected(to: server)
            let notes = [
                ReasoningNote(callID: "call_1", content: "AB\u{0}\r\n\"ä"), ReasoningNote(callID: "c 2", content: "x"),
            ]
            RedisReasoningStore(first.connection).keep(notes, of: .signature, in: Self.scope)
            #expect(await first.connection.send(RedisCommand("PING")) == .status("PONG"))
            let other = RedisReasoningStore(second.connection)
            let found = await other.find(["none", "call_1", "c 2"], of: .signature, in: Self.scope)
            #expect(found == ["call_1": "AB\u{0}\r\n\"ä", "c 2": "x"])
            #expect(await other.find(["call_1"], of: .text, in: Self.scope) == [:])
            let life = try #require(Int(try server.command("TTL", StoreFixture.prefix + "reasoning:signature:call_1")))
            #expect((86_300...86_400).contains(life))
            first.connection.close()
            second.connection.close()
        }
    }

    @Test("what is out of bounds is neither kept nor asked for; without Redis nothing is known")
    func bounds() async throws {
        let server = try RedisServer()
        try await TestLoop.run {
            let fixture = try await StoreFixture.connected(to: server)
            let store = RedisReasoningStore(fixture.connection)
            let long = String(repeating: "x", count: ReasoningBounds.note + 1)
            store.keep(
                [ReasoningNote(callID: "long", content: long), ReasoningNote(callID: long, content: "x")]
                    + (0..<100).map { ReasoningNote(callID: "c\($0)", content: "r") },
                of: .text, in: Self.scope
            )
            #expect(await fixture.connection.send(RedisCommand("DBSIZE")) == .integer(62))
            #expect(await store.find((0..<1000).map { "c\($0 % 64)" }, of: .text, in: Self.scope).count == 62)
            #expect(await store.find([], of: .text, in: Self.scope) == [:])
            fixture.connection.close()
            #expect(await store.find(["c1"], of: .text, in: Self.scope) == [:])
        }
    }
}
