import GatewayCore
import NIOCore

/// The three keys of an answer as arguments, written once for all answers of a gateway: they differ in the digest only.
struct PreparedKeys {
    /// All three arguments, with digits of no digest in them.
    private let template: ByteBuffer
    /// Where the digests stand.
    private let entry: Int
    private let lease: Int
    private let live: Int

    init(_ account: AccountID, _ gateway: GatewayID, epoch: UInt64) {
        let keys = AnswerKeys(account, gateway, CacheKey(digest: ContentDigest([]), epoch: epoch))
        var template = ByteBuffer()
        var places: [Int] = []
        for part in [AnswerKeys.Part.entry, .lease, .live] {
            template.compose(capacity: keys.longest + RawWriter.argumentOverhead) { keys.write(part, into: &$0) }
            places.append(template.writerIndex - AnswerKeys.bytesOfDigest - RawWriter.bytesOfLineEnd)
        }
        self.template = template
        (entry, lease, live) = (places[0], places[1], places[2])
    }

    /// Bytes of all three arguments.
    var length: Int { template.readableBytes }

    /// Writes entry, lease and live part of the answer with this digest, as `AnswerKeys` would.
    func write(_ digest: AnswerKeys.Digest, into out: inout RawWriter) {
        unsafe template.withUnsafeReadableBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            unsafe out.fill(bytes.count) { space in
                unsafe space.copyMemory(from: source, byteCount: bytes.count)
                unsafe space.storeBytes(of: digest.digits, toByteOffset: entry, as: SIMD8<UInt64>.self)
                unsafe space.storeBytes(of: digest.digits, toByteOffset: lease, as: SIMD8<UInt64>.self)
                unsafe space.storeBytes(of: digest.digits, toByteOffset: live, as: SIMD8<UInt64>.self)
            }
        }
    }
}
