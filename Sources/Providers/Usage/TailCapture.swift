import WireFormats

/// The last bytes of a long answer, for formats that put their usage at the end of a JSON array.
///
/// - Limit: keeps between 16 and 32 KiB.
struct TailCapture: Sendable {
    private static let kept = 16_384
    private var bytes: [UInt8] = []

    mutating func feed(_ payload: UnsafeRawBufferPointer) {
        let piece = payload.suffix(Self.kept)
        if bytes.count + piece.count > 2 * Self.kept {
            bytes.removeFirst(max(0, bytes.count - max(0, Self.kept - piece.count)))
        }
        bytes.append(contentsOf: piece)
    }

    /// Reads the last object under the member's quoted key.
    func read(_ member: UsageFormat.Member, _ tally: inout UsageTally) {
        bytes.withUnsafeBytes { all in
            var last: Int?
            var start = 0
            while let at = all.value(ofKey: member.name, from: start) {
                last = at
                start = at
            }
            guard let last else { return }
            member.read(JSONView(UnsafeRawBufferPointer(rebasing: all[last...])), &tally)
        }
    }
}
