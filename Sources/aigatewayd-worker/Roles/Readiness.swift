import CloudflareWire
import GatewayCore
import NIOCore
import ProcessRuntime
import ProxyServer
import WireFormats

/// What `/readyz` of the data port shows: this node's dependencies and every worker's snapshot version.
@WorkerLoop
final class Readiness {
    private let scoreboard: Scoreboard
    private let own: Slot
    private let usesRedis: Bool

    init(scoreboard: Scoreboard, own: Slot, usesRedis: Bool) {
        self.scoreboard = scoreboard
        self.own = own
        self.usesRedis = usesRedis
    }

    /// Not ready: no snapshot has ever been loaded, or the worker is draining (contract, "Ports").
    func report() -> LocalEndpoints.Report {
        let isReady = own.snapshotVersion > 0 && own.state == .ready
        var json = JSONWriter()
        json.beginObject()
        json.key("status")
        json.string(isReady ? "ready" : own.state == .draining ? "draining" : "no snapshot")
        json.key("dependencies")
        json.beginObject()
        write("postgres", own.postgresState, own.postgresSince, into: &json)
        if usesRedis { write("redis", own.redisState, own.redisSince, into: &json) }
        json.endObject()
        json.key("workers")
        json.beginArray()
        for number in 0..<Scoreboard.slots {
            let slot = scoreboard.slot(number)
            guard slot.state != .gone else { continue }
            json.beginObject()
            json.key("worker")
            json.int(number)
            json.key("state")
            json.string("\(slot.state)")
            json.key("pid")
            json.int(Int(slot.processID))
            json.key("snapshot")
            json.int(Int(clamping: slot.snapshotVersion))
            json.key("connections")
            json.int(Int(clamping: slot.connections))
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return LocalEndpoints.Report(isReady: isReady, json: json.buffer)
    }

    private func write(_ name: StaticString, _ state: Slot.StoreState, _ since: Instant, into json: inout JSONWriter) {
        json.key(name)
        json.beginObject()
        json.key("state")
        json.string("\(state)")
        json.key("since")
        if since.microseconds > 0 { json.string(Timestamp.text(since)) } else { json.null() }
        json.endObject()
    }
}

/// Notes the state of stores in the scoreboard on its way to telemetry.
@WorkerLoop
final class StoreWatch: Observer {
    private let slot: Slot
    private let clock: any WallClock
    private let next: any Observer

    init(slot: Slot, clock: any WallClock, next: any Observer) {
        self.slot = slot
        self.clock = clock
        self.next = next
    }

    func record(_ observation: Observation) {
        switch observation {
        case .storeAvailable(.redis):
            slot.redisState = .available
            slot.redisSince = clock.now
        case .storeUnavailable(.redis, _):
            slot.redisState = .unavailable
            slot.redisSince = clock.now
        default: break
        }
        next.record(observation)
    }
}
