package import GatewayCore

/// Every key this product has in Redis: spelled here and nowhere else.
///
/// All keys start with `aig:`. The part in braces is the hash tag, so that everything of one gateway lies in one slot
/// of a Redis Cluster and can be touched by one script.
///
/// | key | type | life | written by |
/// | --- | --- | --- | --- |
/// | `aig:{account/gateway}:requests:YYYYMMDD` | integer | 3 days | workers, once a second (`RedisRequestCounter`) |
package enum Keys {
    /// Requests of one gateway on one UTC day.
    package static func requests(of gateway: GatewayID, account: AccountID, on day: CalendarDay) -> String {
        "aig:{\(account.rawValue)/\(gateway.rawValue)}:requests:\(day)"
    }

    /// How long a day's count is kept after its last change, in seconds.
    package static let requestsLifetime = 3 * 86_400
}
