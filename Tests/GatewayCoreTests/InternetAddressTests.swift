import GatewayCore
import Testing

@Suite("Internet addresses")
struct InternetAddressTests {
    @Test(
        "one address has many spellings",
        arguments: [
            "127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7F.1", "0x7f.0.0.1", "017700000001",
            "0177.0.0.1", "0177.1", "127.0.0.1.", "127.0.0.1..", "127.0x1", "0000177.0.0.1",
        ])
    func spellings(_ text: String) { #expect(InternetAddress(host: text) == .v4(0x7f00_0001)) }

    @Test(
        "IPv6 is read with brackets, zones and embedded IPv4",
        arguments: [
            ("::1", 0, 1), ("[::1]", 0, 1), ("0:0:0:0:0:0:0:1", 0, 1), ("::ffff:127.0.0.1", 0, 0xffff_7f00_0001),
            ("[::FFFF:7f00:1]", 0, 0xffff_7f00_0001), ("fe80::1%eth0", 0xfe80_0000_0000_0000, 1),
            ("64:ff9b::10.0.0.1", 0x0064_ff9b_0000_0000, 0x0a00_0001),
        ] as [(String, UInt64, UInt64)])
    func sixes(_ text: String, _ high: UInt64, _ low: UInt64) {
        #expect(InternetAddress(host: text) == .v6(high, low))
    }

    @Test(
        "names are no addresses",
        arguments: [
            "", ".", "localhost", "api.example.com", "1.2.3.4.5", "127.0.0.1x", "0x", "08.1.1.1", "1.2.3.256", "::g",
            "12345678901234567890", "127.0.0.1 ", "127.0.0.1\n", "１２７.0.0.1", "[::1", "a:b", "%", "1..2",
        ])
    func names(_ text: String) { #expect(InternetAddress(host: text) == nil) }

    @Test(
        "every special block is refused from its first to its last address, its neighbours are not",
        arguments: [
            ("0.0.0.0", "0.255.255.255"), ("10.0.0.0", "10.255.255.255"), ("100.64.0.0", "100.127.255.255"),
            ("127.0.0.0", "127.255.255.255"), ("169.254.0.0", "169.254.255.255"), ("172.16.0.0", "172.31.255.255"),
            ("192.0.0.0", "192.0.0.255"), ("192.0.2.0", "192.0.2.255"), ("192.88.99.0", "192.88.99.255"),
            ("192.168.0.0", "192.168.255.255"), ("198.18.0.0", "198.19.255.255"), ("198.51.100.0", "198.51.100.255"),
            ("203.0.113.0", "203.0.113.255"), ("224.0.0.0", "255.255.255.255"), ("168.63.129.16", "168.63.129.16"),
        ])
    func blocks(_ first: String, _ last: String) throws {
        guard case .v4(let low) = InternetAddress(host: first), case .v4(let high) = InternetAddress(host: last) else {
            Issue.record("not IPv4")
            return
        }
        for address in [low, low + (high - low) / 2, high] { #expect(InternetAddress.v4(address).refusal != nil) }
        if low > 0 { #expect(InternetAddress.v4(low - 1).refusal == nil) }
        if high < .max, high + 1 != 0xe000_0000 { #expect(InternetAddress.v4(high + 1).refusal == nil) }
    }

    @Test(
        "IPv6 that is not global unicast, or carries a special IPv4 address, is refused",
        arguments: [
            "::", "::1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1", "::127.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::1",
            "100::1", "100:0:0:1::1", "2001::1", "2001:10::1", "2001:20::1", "2001:1ff:ffff::1", "2001:db8::1",
            "2002:a00:1::", "2002:c0a8:101::1", "3fff::1", "3fff:fff::1", "5f00::1", "4000::1", "fc00::1",
            "fd00:ec2::254", "fd20:ce::254", "fe80::1", "febf::1", "fec0::1", "ff02::1",
            "2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:127.0.0.1",
        ])
    func sixRefusals(_ text: String) throws {
        #expect(try #require(InternetAddress(host: text)).refusal != nil)
    }

    @Test(
        "global IPv6 is public",
        arguments: [
            "2606:4700::1111", "2001:200::1", "2001:4860:4860::8888", "2a00::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
            "2002:808:808::1", "3ffe::1", "2606:4700::5efe:8.8.8.8",
        ])
    func sixes(_ text: String) throws { #expect(try #require(InternetAddress(host: text)).refusal == nil) }
}
