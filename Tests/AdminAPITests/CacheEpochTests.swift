import ControlPlane
import GatewayCore
import PostgresStore
import Testing

@Suite("Cache epochs")
struct CacheEpochTests {
    private func epoch(_ api: ManagementAPI, _ gateway: GatewayID) async throws -> UInt64 {
        let plans = try await ConfigurationRepository(api.pool).snapshot().gateways
        return try #require(plans.first { $0.id == gateway }).cacheEpoch
    }

    private func put(_ api: ManagementAPI, invalidating: Bool, ttl: Int) async -> Int {
        await api.send(
            "PUT", ManagementAPI.gateways + "/g",
            body: #"""
                {"cache_invalidate_on_update":\#(invalidating),"cache_ttl":\#(ttl),"collect_logs":true,\#
                "rate_limiting_interval":0,"rate_limiting_limit":0}
                """#
        ).status
    }

    @Test("an update forgets stored answers when the gateway says so before or after it, and only then")
    func updates() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        await api.makeGateway("other")
        let other = try await epoch(api, "other")
        var last = try await epoch(api, "g")
        for (invalidating, ttl, raises) in [
            (true, 10, true), (true, 20, true), (true, 20, true), (false, 30, true), (false, 40, false),
            (false, 40, false), (true, 40, true),
        ] {
            #expect(await put(api, invalidating: invalidating, ttl: ttl) == 200)
            let now = try await epoch(api, "g")
            #expect(raises ? now > last : now == last, "invalidating \(invalidating), ttl \(ttl)")
            last = now
        }
        #expect(try await epoch(api, "other") == other)
    }

    @Test("a refused update forgets nothing")
    func refused() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        #expect(await put(api, invalidating: true, ttl: 1) == 200)
        let before = try await epoch(api, "g")
        #expect(await put(api, invalidating: true, ttl: -1) == 400)
        #expect(try await epoch(api, "g") == before)
    }

    @Test("a gateway that is deleted and made again does not find the answers of the one before")
    func rebirth() async throws {
        let api = try await ManagementAPI()
        await api.makeGateway("g")
        let first = try await epoch(api, "g")
        #expect(await api.send("DELETE", ManagementAPI.gateways + "/g").status == 200)
        await api.makeGateway("g")
        #expect(try await epoch(api, "g") > first)
    }
}
