import Glibc

/// An IPv4 or IPv6 address, and whether it means the same to everybody on the internet.
///
/// Pure: it knows addresses, never names. What a name stands for is asked again right before connecting.
/// - Source: IANA special-purpose address registries (RFC 6890 and successors) · documented
package enum InternetAddress: Sendable, Hashable {
    /// In host order: 127.0.0.1 is `0x7f00_0001`.
    case v4(UInt32)
    /// The upper and the lower eight bytes, in host order.
    case v6(UInt64, UInt64)

    /// Why an address is not public.
    package enum Refusal: String, Sendable, CaseIterable {
        case unspecified, loopback, privateUse = "private", linkLocal = "link-local", sharedCarrier =
            "carrier-grade NAT"
        case multicast, metadata = "cloud metadata", documentation, benchmarking, reserved, uniqueLocal = "unique-local"
        case notAnInternetAddress = "not an internet address"
    }

    /// Reads every form in which a resolver takes a host for an address; nil when it is a name.
    ///
    /// These are IPv4 of one to four parts, each decimal, octal or hexadecimal (`127.1`, `0x7f000001`, `2130706433`),
    /// with or without dots at the end, and IPv6 with or without brackets and zone.
    package init?(host: String) {
        var text = host[...]
        if text.hasPrefix("["), text.hasSuffix("]") { text = text.dropFirst().dropLast() }
        while text.hasSuffix(".") { text = text.dropLast() }
        if let zone = text.firstIndex(of: "%"), text.contains(":") { text = text[..<zone] }
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
        if text.contains(":") {
            var address = in6_addr()
            guard inet_pton(AF_INET6, String(text), &address) == 1 else { return nil }
            self = withUnsafeBytes(of: address) { .v6($0.bigEndian(at: 0), $0.bigEndian(at: 8)) }
        } else {
            var address = in_addr()
            guard inet_aton(String(text), &address) != 0 else { return nil }
            self = .v4(UInt32(bigEndian: address.s_addr))
        }
    }

    /// Nil when the address is public; an IPv6 address that carries an IPv4 address is judged by that.
    package var refusal: Refusal? {
        switch self {
        case .v4(let address): Self.blocks.first { $0.contains(address) }?.refusal
        case .v6(let high, let low): Self.refusal(high, low)
        }
    }

    private struct Block: Sendable {
        let prefix: UInt32
        let length: UInt32
        let refusal: Refusal
        init(_ a: UInt32, _ b: UInt32, _ c: UInt32, _ d: UInt32, _ length: UInt32, _ refusal: Refusal) {
            prefix = a << 24 | b << 16 | c << 8 | d
            self.length = length
            self.refusal = refusal
        }
        func contains(_ address: UInt32) -> Bool { (address ^ prefix) >> (32 - length) == 0 }
    }

    /// Single addresses come first: the narrower name is the more useful one in a log.
    private static let blocks: [Block] = [
        Block(169, 254, 169, 254, 32, .metadata), Block(169, 254, 170, 2, 32, .metadata),
        Block(100, 100, 100, 200, 32, .metadata), Block(168, 63, 129, 16, 32, .metadata),
        Block(192, 0, 0, 192, 32, .metadata),
        Block(0, 0, 0, 0, 8, .unspecified), Block(10, 0, 0, 0, 8, .privateUse),
        Block(100, 64, 0, 0, 10, .sharedCarrier),
        Block(127, 0, 0, 0, 8, .loopback), Block(169, 254, 0, 0, 16, .linkLocal),
        Block(172, 16, 0, 0, 12, .privateUse), Block(192, 0, 0, 0, 24, .reserved),
        Block(192, 0, 2, 0, 24, .documentation), Block(192, 88, 99, 0, 24, .reserved),
        Block(192, 168, 0, 0, 16, .privateUse), Block(198, 18, 0, 0, 15, .benchmarking),
        Block(198, 51, 100, 0, 24, .documentation), Block(203, 0, 113, 0, 24, .documentation),
        Block(224, 0, 0, 0, 4, .multicast), Block(240, 0, 0, 0, 4, .reserved),
    ]

    private static func refusal(_ high: UInt64, _ low: UInt64) -> Refusal? {
        func carried(_ address: UInt64) -> Refusal? { Self.v4(UInt32(truncatingIfNeeded: address)).refusal }
        if high == 0 {
            if low == 0 { return .unspecified }
            if low == 1 { return .loopback }
            // ::ffff:a.b.c.d is IPv4 on the wire; ::a.b.c.d and ::ffff:0:a.b.c.d are obsolete.
            if low >> 32 == 0xffff { return carried(low) }
            return .reserved
        }
        // 64:ff9b::/96 is translated to the IPv4 address in it; 64:ff9b:1::/48 is a network's own translation.
        if high == 0x0064_ff9b_0000_0000, low >> 32 == 0 { return carried(low) }
        if high == 0xfd00_0ec2_0000_0000, low == 0x254 { return .metadata }
        if high == 0xfd20_00ce_0000_0000, low == 0x254 { return .metadata }
        if high >> 56 == 0xff { return .multicast }
        if high >> 57 == 0xfc >> 1 { return .uniqueLocal }
        if high >> 54 == 0xfe80 >> 6 { return .linkLocal }
        if high >> 54 == 0xfec0 >> 6 { return .privateUse }
        // Only 2000::/3 is assigned as global unicast.
        guard high >> 61 == 1 else { return .reserved }
        if high >> 32 == 0x2001_0db8 || high >> 44 == 0x3fff0 { return .documentation }
        if high >> 41 == 0x2001_0000 >> 9 { return .reserved }
        if high >> 48 == 0x2002, let embedded = carried(high >> 16) { return embedded }
        // ISATAP: the interface identifier ends in an IPv4 address.
        if low >> 32 & 0xfdff_ffff == 0x0000_5efe { return carried(low) }
        return nil
    }
}

extension UnsafeRawBufferPointer {
    /// Eight bytes in network order.
    fileprivate func bigEndian(at offset: Int) -> UInt64 {
        UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
    }
}
