import GatewayCore
import Testing

@testable import Upstream

@Suite("Address policy")
struct AddressPolicyTests {
    @Test(
        "addresses that are not public are refused, however they are written",
        arguments: [
            ("127.0.0.1", .loopback), ("127.1", .loopback), ("127.255.255.254", .loopback), ("0x7f000001", .loopback),
            ("2130706433", .loopback), ("017700000001", .loopback), ("::1", .loopback), ("0:0:0:0:0:0:0:1", .loopback),
            ("::ffff:127.0.0.1", .loopback), ("::ffff:7f00:1", .loopback), ("0.0.0.0", .unspecified),
            ("0.1.2.3", .unspecified), ("::", .unspecified), ("10.0.0.1", .privateUse), ("10.255.255.255", .privateUse),
            ("172.16.0.1", .privateUse), ("172.31.255.255", .privateUse), ("192.168.1.1", .privateUse),
            ("::ffff:192.168.0.1", .privateUse), ("fec0::1", .privateUse), ("100.64.0.1", .sharedCarrier),
            ("100.127.255.255", .sharedCarrier), ("100.100.100.200", .metadata), ("169.254.1.1", .linkLocal),
            ("fe80::1", .linkLocal), ("febf::1", .linkLocal), ("169.254.169.254", .metadata),
            ("169.254.170.2", .metadata), ("168.63.129.16", .metadata), ("192.0.0.192", .metadata),
            ("::ffff:169.254.169.254", .metadata), ("fd00:ec2::254", .metadata), ("224.0.0.1", .multicast),
            ("239.255.255.255", .multicast), ("ff02::1", .multicast), ("255.255.255.255", .reserved),
            ("240.0.0.1", .reserved), ("192.0.0.8", .reserved), ("192.88.99.1", .reserved),
            ("192.0.2.1", .documentation), ("198.51.100.1", .documentation), ("203.0.113.1", .documentation),
            ("2001:db8::1", .documentation), ("3fff::1", .documentation), ("198.18.0.1", .benchmarking),
            ("198.19.255.255", .benchmarking), ("fc00::1", .uniqueLocal), ("fdff::1", .uniqueLocal),
            ("64:ff9b::10.0.0.1", .privateUse), ("64:ff9b::7f00:1", .loopback), ("64:ff9b:1::1", .reserved),
            ("2002:7f00:1::", .loopback), ("2002:a9fe:a9fe::1", .metadata), ("2001::1", .reserved),
            ("::127.0.0.1", .reserved), ("2606:4700::5efe:10.0.0.1", .privateUse),
            ("2606:4700::200:5efe:192.168.0.1", .privateUse), ("100::1", .reserved), ("4000::1", .reserved),
        ] as [(String, AddressPolicy.Refusal)]
    )
    func refuses(_ text: String, _ reason: AddressPolicy.Refusal) throws {
        let addresses = try SystemLookup.addresses(of: text, allowing: .addressesOnly).get()
        #expect(addresses.map(AddressPolicy.refusal(of:)) == [reason])
    }

    @Test(
        "public addresses are allowed, those next to special blocks included",
        arguments: [
            "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
            "128.0.0.1", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0", "198.17.255.255", "198.20.0.0", "223.255.255.255", "2606:4700::1111", "2001:4860:4860::8888",
            "2a00::1", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2001:200::1",
        ]
    )
    func allows(_ text: String) throws {
        let addresses = try SystemLookup.addresses(of: text, allowing: .addressesOnly).get()
        #expect(addresses.count == 1)
        #expect(addresses.allSatisfy { AddressPolicy.refusal(of: $0) == nil })
    }
}
