import GatewayCore
import Settings
import Testing

@Suite("Values as operators write them")
struct ValueTests {
    @Test(
        "sizes",
        arguments: [
            ("1", 1), ("1024B", 1024), ("1KiB", 1024), ("100MiB", 104_857_600), ("4GiB", 4_294_967_296),
            ("2TiB", 2_199_023_255_552), ("500KB", 500_000), ("3MB", 3_000_000), ("1GB", 1_000_000_000),
            ("", nil), ("MiB", nil), ("1.5MiB", nil), ("1 MiB", nil), ("0MiB", nil), ("9999999999999999999", nil),
        ] as [(String, Int?)]
    )
    func sizes(text: String, bytes: Int?) { #expect(SizeText.bytes(text) == bytes) }

    @Test(
        "durations",
        arguments: [
            ("500ms", .milliseconds(500)), ("5s", .seconds(5)), ("2m", .seconds(120)), ("1h", .seconds(3600)),
            ("3d", .seconds(259_200)), ("5", nil), ("s", nil), ("0s", nil), ("-1s", nil), ("1.5s", nil),
            ("99999999999d", nil),
        ] as [(String, Duration?)]
    )
    func durations(text: String, duration: Duration?) { #expect(DurationText.duration(text) == duration) }

    @Test(
        "addresses to listen on",
        arguments: [
            ("127.0.0.1:8787", "127.0.0.1:8787"), ("localhost:80", "localhost:80"), ("*:8787", "0.0.0.0:8787"),
            ("[::1]:8787", "[::1]:8787"), ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("unix:///run/a.sock", "unix:/run/a.sock"), ("[127.0.0.1]:1", nil), ("127.0.0.1", nil), (":1", nil),
            ("127.0.0.1:0", nil), ("127.0.0.1:+1", nil), ("a b:1", nil), ("unix:a", nil),
            ("unix:/" + String(repeating: "a", count: 107), nil),
        ] as [(String, String?)]
    )
    func addresses(text: String, description: String?) { #expect(PortAddress(text)?.description == description) }

    @Test("the URL of a port that listens everywhere is one that this machine can open")
    func localURLs() {
        #expect(PortAddress("*:8787")?.localURL(scheme: "http") == "http://127.0.0.1:8787")
        #expect(PortAddress("[::]:8787")?.localURL(scheme: "https") == "https://[::1]:8787")
        #expect(PortAddress("unix:/a")?.localURL(scheme: "http") == nil)
    }

    @Test(
        "networks",
        arguments: [
            ("10.0.0.0/8", "10.0.0.0/8"), ("192.168.1.1", "192.168.1.1/32"), ("fd00::/8", "fd00::/8"),
            ("::1", "::1/128"), ("0.0.0.0/0", "0.0.0.0/0"), ("10.0.0.1/8", nil), ("10.0.0.0/33", nil),
            ("fd00::/129", nil), ("10.0.0/8", nil), ("10.0.0.0/", nil), ("10.0.0.0/-1", nil), ("", nil),
        ] as [(String, String?)]
    )
    func networks(text: String, description: String?) { #expect(NetworkRange(text)?.description == description) }

    @Test(
        "base URLs",
        arguments: [
            ("https://api.example.com/v1/", "https://api.example.com/v1"), ("http://[::1]:9", "http://[::1]:9"),
            ("HTTPS://Example.com", "https://Example.com"), ("https://", nil), ("https:///v1", nil),
            ("https://a..b", nil), ("https://h:99999", nil), ("https://h:", nil), ("https://h/a b", nil),
            ("https://h/#x", nil), ("https://user@h", nil),
        ] as [(String, String?)]
    )
    func urls(text: String, description: String?) {
        #expect(EndpointURL(text, schemes: ["http", "https"])?.description == description)
    }

    @Test("Redis URLs")
    func redis() {
        func endpoint(_ text: String) -> RedisEndpoint? { RedisURL.endpoint(text) }
        let local = RedisEndpoint.Address.tcp(host: "localhost", port: 6379)
        #expect(endpoint("redis://localhost") == RedisEndpoint(address: local))
        #expect(endpoint("redis://localhost/3") == RedisEndpoint(address: local, database: 3))
        #expect(
            endpoint("rediss://me:p%40ss@cache.example.com:6380/1")
                == RedisEndpoint(
                    address: .tcp(host: "cache.example.com", port: 6380), usesTLS: true, username: "me",
                    password: Secret("p@ss"), database: 1))
        #expect(endpoint("redis://:secret@localhost") == RedisEndpoint(address: local, password: Secret("secret")))
        #expect(endpoint("redis://[::1]:7") == RedisEndpoint(address: .tcp(host: "::1", port: 7)))
        #expect(endpoint("unix:/run/redis.sock") == RedisEndpoint(address: .unix(path: "/run/redis.sock")))
        #expect(
            endpoint("unix:///run/redis.sock?db=2&password=p%26")
                == RedisEndpoint(address: .unix(path: "/run/redis.sock"), password: Secret("p&"), database: 2))
        for bad in [
            "localhost:6379", "http://localhost", "redis://", "redis://localhost/x", "redis://me@localhost",
            "redis://localhost?x=1", "redis+cluster://localhost", "rediss+cluster://localhost", "unix:run",
            "unix:/run?shards=2",
            "redis://local host",
        ] {
            #expect(endpoint(bad) == nil, "\(bad)")
        }
    }
}
