import GatewayCore

/// The keys of one answer: its entry or the lease on it, and for a stream its live part and the watch over that.
///
/// They are written as arguments, byte by byte where they leave from.
struct AnswerKeys {
    enum Part {
        case entry, live, watch

        fileprivate var word: StaticString {
            switch self {
            case .entry: "}:answer:"
            case .live: "}:live:"
            case .watch: "}:watch:"
            }
        }
    }

    /// The digits of a digest.
    struct Digest {
        /// Hexadecimal, eight to a word.
        let digits: SIMD8<UInt64>

        init(_ key: CacheKey) {
            let words = key.digest.words
            var digits = SIMD8<UInt64>()
            for index in 0..<4 {
                let word = words[index].littleEndian
                digits[2 * index] = AnswerKeys.hexadecimal(UInt32(truncatingIfNeeded: word))
                digits[2 * index + 1] = AnswerKeys.hexadecimal(UInt32(truncatingIfNeeded: word >> 32))
            }
            self.digits = digits
        }
    }

    /// Bytes of a digest's digits, with which every key ends.
    static let bytesOfDigest = 64

    private let account: String
    private let gateway: String
    private let epoch: UInt64
    private let epochDigits: Int
    private let digest: Digest

    init(_ account: AccountID, _ gateway: GatewayID, _ key: CacheKey) {
        self.account = account.rawValue
        self.gateway = gateway.rawValue
        epoch = key.epoch
        epochDigits = RawWriter.digits(of: Int(clamping: key.epoch))
        digest = Digest(key)
    }

    init(_ place: AnswerPlace) { self.init(place.account, place.gateway, place.key) }

    /// Most bytes of one key.
    var longest: Int { account.utf8.count + gateway.utf8.count + 6 + 9 + 19 + 1 + Self.bytesOfDigest }

    /// Writes one key as an argument.
    func write(_ part: Part, into out: inout RawWriter) {
        let word = part.word
        // aig:{ACCOUNT/GATEWAY}:WORD:EPOCH:DIGEST
        out.argument(
            length: 6 + account.utf8.count + gateway.utf8.count + word.utf8CodeUnitCount + epochDigits + 1
                + Self.bytesOfDigest
        )
        Keys.write(account, gateway, into: &out)
        out.write(word)
        out.digits(Int(clamping: epoch))
        out.write(byte: 0x3a)
        for index in 0..<8 { out.write(integer: digest.digits[index]) }
        out.endLine()
    }

    /// The eight digits of four bytes, the first byte and the first digit lowest.
    private static func hexadecimal(_ bytes: UInt32) -> UInt64 {
        var spread = UInt64(bytes)
        spread = (spread | spread << 16) & 0x0000_ffff_0000_ffff
        spread = (spread | spread << 8) & 0x00ff_00ff_00ff_00ff
        let nibbles = (spread >> 4 & 0x000f_000f_000f_000f) | (spread & 0x000f_000f_000f_000f) << 8
        let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
        return nibbles + 0x3030_3030_3030_3030 + letters * 39
    }
}
