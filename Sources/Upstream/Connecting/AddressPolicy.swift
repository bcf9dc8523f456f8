package import GatewayCore
package import NIOCore

/// Judges the addresses that a name resolved to, right before one of them is connected to.
package enum AddressPolicy {
    package typealias Refusal = InternetAddress.Refusal

    /// Nil when `address` is public.
    ///
    /// The address is at byte 4 of a `sockaddr_in` and at byte 8 of a `sockaddr_in6` (Linux; fields are big-endian).
    package static func refusal(of address: SocketAddress) -> Refusal? {
        switch address {
        case .v4(let address):
            withUnsafeBytes(of: address.address) { bytes in
                InternetAddress.v4(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))).refusal
            }
        case .v6(let address):
            withUnsafeBytes(of: address.address) { bytes in
                InternetAddress.v6(
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)),
                    UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
                ).refusal
            }
        case .unixDomainSocket: .notAnInternetAddress
        }
    }
}
