package import GatewayCore

/// Every key this product has in Redis: spelled here and nowhere else.
///
/// All keys start with `aig:`. The part in braces is the hash tag, so that everything of one gateway lies in one slot
/// of a Redis Cluster and can be touched by one script.
///
/// | key | type | life | written by |
/// | --- | --- | --- | --- |
/// | `aig:{account/gateway}:requests:YYYYMMDD` | integer | 3 days | workers, once a second (`RedisRequestCounter`) |
/// | `aig:{account/gateway}:answer:EPOCH:DIGEST` | bytes | a lease 5 s, an entry its own | the worker that fetches it |
/// | `aig:{account/gateway}:live:EPOCH:DIGEST` | bytes | 5 s | the worker that fetches it, as a stream comes |
/// | `aig:{account/gateway}:watch:EPOCH:DIGEST` | hash | 5 s | the same, and workers that follow the stream |
/// | `aig:{account/gateway}:limit:NAME:window:SECONDS` | integer | to the window's end | the gate's script |
/// | `aig:{account/gateway}:limit:NAME:sliding:SECONDS` | list | the interval | the gate's script |
/// | `aig:{account/gateway}:reasoning:KIND:CALL` | bytes | 1 day | the worker that relayed the answer with the call |
package struct Keys {
    /// How long a day's count is kept after its last change, in seconds.
    package static let requestsLifetime = 3 * 86_400

    private let account: String
    private let gateway: String

    /// The keys of one gateway.
    package init(_ account: AccountID, _ gateway: GatewayID) {
        self.account = account.rawValue
        self.gateway = gateway.rawValue
    }

    /// Requests of one gateway on one UTC day.
    package func requests(on day: CalendarDay) -> String {
        "aig:{" + account + "/" + gateway + "}:requests:\(day)"
    }

    /// What is remembered of the reasoning that led to a call of a function.
    func reasoning(_ kind: ReasoningKind, _ call: String) -> String {
        "aig:{" + account + "/" + gateway + "}:reasoning:" + kind.rawValue + ":" + call
    }

    /// Most bytes of a counter's key.
    func longest(_ rule: RateRule) -> Int { account.utf8.count + gateway.utf8.count + rule.name.utf8.count + 64 }

    /// Writes the key of a counter as an argument; another interval or technique is another counter.
    func write(_ rule: RateRule, into out: inout RawWriter) {
        let word =
            switch rule.technique {
            case .fixed: "window"
            case .sliding: "sliding"
            }
        let interval = max(rule.interval, 0)
        // aig:{ACCOUNT/GATEWAY}:limit:NAME:WORD:SECONDS
        out.argument(
            length: 6 + account.utf8.count + gateway.utf8.count + 8 + rule.name.utf8.count + 1 + word.utf8.count
                + 1 + RawWriter.digits(of: interval)
        )
        Self.write(account, gateway, into: &out)
        out.write("}:limit:" as StaticString)
        out.write(rule.name)
        out.write(byte: 0x3a)
        out.write(word)
        out.write(byte: 0x3a)
        out.digits(interval)
        out.endLine()
    }

    /// What all keys of a gateway begin with, up to the brace that ends the hash tag: six bytes and both names.
    static func write(_ account: String, _ gateway: String, into out: inout RawWriter) {
        out.write("aig:{" as StaticString)
        out.write(account)
        out.write(byte: 0x2f)
        out.write(gateway)
    }
}
