package import GatewayCore

extension MessageHead {
    /// Whether a Connection field names `field` as meant for this connection only, so that it must not be passed on.
    ///
    /// - Source: RFC 9110 §7.6.1 · documented
    package func connectionNominates(_ field: FieldSlice) -> Bool {
        let fields = fields
        return withBytes { bytes in
            var nominated = false
            for candidate in fields where candidate.kind == .connection {
                UnsafeRawBufferPointer(rebasing: bytes[candidate.value]).forEachListMember { member in
                    if member.equalsIgnoringCase(bytes, field.name) { nominated = true }
                }
            }
            return nominated
        }
    }

    /// Whether a Connection field carries an option besides `close`, `keep-alive` and `upgrade`; only then is
    /// `connectionNominates(_:)` worth asking.
    package var hasConnectionNominations: Bool {
        let fields = fields
        guard fields.contains(where: { $0.kind == .connection }) else { return false }
        return withBytes { bytes in
            var found = false
            for candidate in fields where candidate.kind == .connection {
                UnsafeRawBufferPointer(rebasing: bytes[candidate.value]).forEachListMember { member in
                    if !member.isToken("keep-alive"), !member.isToken("close"), !member.isToken("upgrade") {
                        found = true
                    }
                }
            }
            return found
        }
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func equalsIgnoringCase(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
        guard count == range.count else { return false }
        for offset in 0..<count where lower(self[offset]) != lower(bytes[range.lowerBound + offset]) { return false }
        return true
    }

    private func lower(_ byte: UInt8) -> UInt8 { byte &- 0x41 < 26 ? byte | 0x20 : byte }
}
