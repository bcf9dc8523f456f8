package import GatewayCore

/// Every key this product has in Redis: spelled here and nowhere else.
///
/// All keys start with `aig:`. The part in braces is the hash tag, so that everything of one gateway lies in one slot
/// of a Redis Cluster and can be touched by one script.
///
/// | key | type | life | written by |
/// | --- | --- | --- | --- |
/// | `aig:{account/gateway}:requests:YYYYMMDD` | integer | 3 days | workers, once a second (`RedisRequestCounter`) |
/// | `aig:{account/gateway}:answer:EPOCH:DIGEST` | bytes | the entry's | workers that fetched an answer |
/// | `aig:{account/gateway}:lease:EPOCH:DIGEST` | hash | 5 s | the worker that fetches it, once a second |
/// | `aig:{account/gateway}:live:EPOCH:DIGEST` | bytes | 5 s | the worker that fetches it, as a stream comes |
/// | `aig:{account/gateway}:limit:NAME:TECHNIQUE:SECONDS` | hash, list | the interval | the gate's script |
package struct Keys {
    /// How long a day's count is kept after its last change, in seconds.
    package static let requestsLifetime = 3 * 86_400

    private let prefix: String

    /// The keys of one gateway.
    package init(_ account: AccountID, _ gateway: GatewayID) {
        prefix = "aig:{" + account.rawValue + "/" + gateway.rawValue + "}:"
    }

    /// Requests of one gateway on one UTC day.
    package func requests(on day: CalendarDay) -> String { prefix + "requests:\(day)" }

    /// A counter; another interval or technique is another counter.
    package func limit(_ rule: RateRule) -> String {
        prefix + "limit:" + rule.name + ":" + rule.technique.rawValue + ":" + String(rule.interval)
    }

    /// The keys of one answer: its entry, its lease and the live part of its stream.
    package func answer(_ key: CacheKey) -> (entry: String, lease: String, live: String) {
        let name = String(key.epoch) + ":" + Self.hex(key.digest)
        return (prefix + "answer:" + name, prefix + "lease:" + name, prefix + "live:" + name)
    }

    private static func hex(_ bytes: [UInt8]) -> String {
        var digits: [UInt8] = []
        digits.reserveCapacity(bytes.count * 2)
        for byte in bytes {
            digits.append(digit(byte >> 4))
            digits.append(digit(byte & 15))
        }
        return String(decoding: digits, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? value + 0x30 : value - 10 + 0x61 }
}
