import Settings
import Testing

@Suite("What is refused, and with which words")
struct RefusalTests {
    @Test(
        "an unknown key is refused with the nearest valid one",
        arguments: [
            ("data:\n  lisen: 127.0.0.1:1\n", "data.lisen is not a setting; did you mean data.listen?"),
            ("dta:\n  listen: 127.0.0.1:1\n", "dta is not a setting; did you mean data?"),
            ("wrokers:\n  count: 1\n", "wrokers is not a setting; did you mean workers?"),
            ("workers:\n  cuont: 1\n", "workers.cuont is not a setting; did you mean workers.count?"),
            (
                "data:\n  tls:\n    certificat: x\n",
                "data.tls.certificat is not a setting; did you mean data.tls.certificate?"
            ),
            (
                "providers:\n  openia:\n    base_url: http://h\n",
                "providers.openia is not a setting; did you mean providers.openai?"
            ),
            (
                "providers:\n  openai:\n    baseurl: http://h\n",
                "providers.openai.baseurl is not a setting; did you mean providers.openai.base_url?"
            ),
            ("state-directory: /x\n", "state-directory is not a setting; did you mean state_directory?"),
        ]
    )
    func unknownKey(yaml: String, message: String) throws {
        let refused = try refusal(yaml: yaml)
        #expect(refused.hasPrefix(message), "\(refused)")
        #expect(refused.contains(" line "), "\(refused)")
    }

    @Test("an unknown variable or flag is refused with the nearest valid one")
    func unknownElsewhere() throws {
        #expect(
            try refusal(environment: ["AIGATEWAYD_DATA_LISTN": "x"])
                == "AIGATEWAYD_DATA_LISTN is not a setting; did you mean AIGATEWAYD_DATA_LISTEN? (environment)")
        #expect(
            try refusal(assignments: ["log.lvl=info"])
                == "log.lvl is not a setting; did you mean log.level? (command line)")
        #expect(try refusal(assignments: ["log.level"]) == "a setting on the command line has the form KEY=VALUE")
    }

    @Test(
        "a value of the wrong form is refused with key, value and what is accepted",
        arguments: [
            ("data.listen", "8787", "host:port"), ("data.listen", "127.0.0.1:70000", "host:port"),
            ("data.listen", "::1:80", "[ipv6]:port"), ("data.listen", "unix:relative", "unix:/path"),
            ("data.trusted_proxies", "10.0.0.1/8", "10.0.0.0/8"), ("data.trusted_proxies", "10.0.0.0/33", "10.0.0.0/8"),
            ("data.trusted_proxies", "everyone", "10.0.0.0/8"), ("data.max_request_body", "12 apples", "100MiB"),
            ("data.max_request_body", "0", "100MiB"), ("data.max_request_body", "-1MiB", "100MiB"),
            ("data.max_request_body", "99999999999TiB", "100MiB"), ("workers.count", "0", "auto or a number"),
            ("workers.count", "33", "auto or a number"), ("workers.count", "many", "auto or a number"),
            ("workers.drain_timeout", "5", "or none"), ("workers.drain_timeout", "0s", "or none"),
            ("guardrails.timeout", "none", "500ms, 5s, 2m, 1h"), ("redis.when_unavailable", "ignore", "allow, refuse"),
            ("cache.max_entry_size", "much", "100MiB"), ("cache.coalescing", "sometimes", "true or false"),
            ("egress.allow_private_addresses", "yes", "true or false"),
            ("guardrails.endpoint", "example.com/v1", "http or https"),
            ("guardrails.endpoint", "https://u:p@example.com", "http or https"),
            ("guardrails.endpoint", "https://example.com/?a=b", "http or https"),
            ("providers.openai.base_url", "ftp://example.com", "http or https"),
            ("providers.openai.websocket_url", "https://example.com", "ws or wss"),
            ("providers.openai.compat_upstream", "mine", "native, openai"),
            ("limits.gateways_per_account", "0", "from 1 to"), ("limits.retry_attempts", "21", "from 1 to 20"),
            ("limits.logs_per_second_per_gateway", "-1", "from 0 to"), ("limits.cache_ttl", "long", "500ms, 5s"),
            ("log.level", "loud", "trace, debug, info"),
            ("log.format", "xml", "text, json"), ("process.user", "two words", "one word"),
            ("bootstrap.account_id", "ABCDEF", "32 lower-case hexadecimal"),
        ]
    )
    func badValue(key: String, value: String, accepted: String) throws {
        let refused = try refusal(assignments: ["\(key)=\(value)"])
        #expect(refused.hasPrefix("\(key): \"\(value)\" is not accepted; expected "), "\(refused)")
        #expect(refused.contains(accepted), "\(refused)")
        #expect(refused.hasSuffix("(command line)"), "\(refused)")
    }

    @Test(
        "sizes and times among the limits have bounds of their own",
        arguments: [
            ("limits.cache_ttl", "59s", "60s to 365d"), ("limits.cache_ttl", "366d", "60s to 365d"),
            ("limits.retry_delay", "11m", "1ms to 10m"), ("limits.log_entry_size", "33MiB", "1KiB to 32MiB"),
            ("limits.logpush_entry_size", "100", "1KiB to 16MiB"),
            ("limits.cacheable_request", "1GiB", "1KiB to 256MiB"),
        ])
    func limitBounds(key: String, value: String, accepted: String) throws {
        #expect(try refusal(assignments: ["\(key)=\(value)"]) == "\(key): \(accepted) are accepted")
    }

    @Test("an entry of the cache has to fit into what a worker can hand to Redis")
    func entrySize() throws {
        #expect(try load(assignments: ["cache.max_entry_size=32MiB"]).cache.maxEntry == 32 << 20)
        #expect(
            try refusal(assignments: ["cache.max_entry_size=33MiB"])
                == "cache.max_entry_size: at most 32MiB are accepted")
    }

    @Test(
        "a value that may hold a secret is never repeated",
        arguments: [
            ("AIGATEWAYD_BOOTSTRAP_API_TOKEN", "tooshort"), ("AIGATEWAYD_POSTGRES_URL", "hunter2hunter2"),
            ("AIGATEWAYD_REDIS_URL", "redis://user:hunter2@/0/0"),
        ]
    )
    func secrets(variable: String, value: String) throws {
        let refused = try refusal(environment: [variable: value])
        #expect(refused.contains("the value is not accepted"), "\(refused)")
        #expect(!refused.contains(value))
        #expect(!refused.contains("hunter2"))
    }

    @Test(
        "secrets are not taken from the command line", arguments: ["postgres.url", "redis.url", "bootstrap.api_token"])
    func secretFlags(key: String) throws {
        let refused = try refusal(assignments: ["\(key)=postgres://hunter2@h/d"])
        #expect(refused.hasPrefix("\(key) may hold a secret"), "\(refused)")
        #expect(!refused.contains("hunter2"))
    }

    @Test("a mistake is found also where a stronger source hides it")
    func hiddenMistake() throws {
        let refused = try refusal(yaml: "workers:\n  count: lots\n", assignments: ["workers.count=2"])
        #expect(refused.hasPrefix("workers.count: \"lots\" is not accepted"))
    }

    @Test(
        "YAML of another shape is refused",
        arguments: [
            ("- a\n- b\n", "has to be a map"), ("data: 5\n", "data is a group of settings"),
            ("workers:\n  count: [1, 2]\n", "workers.count has a wrong shape"),
            ("data:\n  listen: {a: b}\n", "data.listen has a wrong shape"),
            ("data:\n  listen: [[a]]\n", "data.listen has a wrong shape"), ("data: [\n", "is not readable as YAML"),
            ("log.level: info\nlog:\n  level: debug\n", "log.level is set twice"),
            ("log:\n  level: info\n  level: debug\n", "is not readable as YAML"),
        ]
    )
    func shapes(yaml: String, message: String) throws {
        let refused = try refusal(yaml: yaml)
        #expect(refused.contains(message), "\(refused)")
        #expect(!refused.contains("\n"), "\(refused)")
    }

    @Test("settings that need each other are checked together")
    func combinations() throws {
        #expect(
            try refusal(assignments: ["data.tls.certificate=/a"])
                == "data.tls.private_key is needed when data.tls.certificate is set")
        #expect(
            try refusal(assignments: ["control.tls.private_key=/a"])
                == "control.tls.certificate is needed when control.tls.private_key is set")
        #expect(
            try refusal(assignments: ["control.listen=127.0.0.1:8787"])
                == "data.listen: 127.0.0.1:8787 is also an address of control.listen")
        #expect(try refusal(assignments: ["data.listen="]) == "data.listen: at least one address is needed")
        #expect(
            try refusal(assignments: ["data.listen=127.0.0.1:1,127.0.0.1:1"])
                == "data.listen: an address is given twice")
    }
}
