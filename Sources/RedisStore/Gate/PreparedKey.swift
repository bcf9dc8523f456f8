import GatewayCore
import NIOCore

/// The key of an answer as an argument, written once for all answers of a gateway: they differ in the digest only.
struct PreparedKey {
    /// The argument, with digits of no digest in it.
    private let template: ByteBuffer
    /// Where the digest stands.
    private let place: Int

    init(_ account: AccountID, _ gateway: GatewayID, epoch: UInt64) {
        let keys = AnswerKeys(account, gateway, CacheKey(digest: ContentDigest([]), epoch: epoch))
        var template = ByteBuffer()
        template.compose(capacity: keys.longest + RawWriter.argumentOverhead) { keys.write(.entry, into: &$0) }
        self.template = template
        place = template.writerIndex - AnswerKeys.bytesOfDigest - RawWriter.bytesOfLineEnd
    }

    /// Bytes of the argument.
    var length: Int { template.readableBytes }

    /// Writes the key of the answer with this digest, as `AnswerKeys` would.
    func write(_ digest: AnswerKeys.Digest, into out: inout RawWriter) {
        unsafe template.withUnsafeReadableBytes { bytes in
            guard let source = bytes.baseAddress else { return }
            unsafe out.fill(bytes.count) { space in
                unsafe space.copyMemory(from: source, byteCount: bytes.count)
                unsafe space.storeBytes(of: digest.digits, toByteOffset: place, as: SIMD8<UInt64>.self)
            }
        }
    }
}
