import GatewayCore

/// Hashes tokens for the lookup of their grants.
///
/// Tokens are long and random, so a plain digest is enough.
package struct SHA256TokenHasher: TokenHasher {
    package init() {}
    package func hash(_ token: UnsafeRawBufferPointer) -> [UInt8] { unsafe Digest.sha256(token) }
}
