import WireFormats

/// The rules for `cf-aig-metadata` (data-plane §7.2 · documented, observed).
package enum Metadata {
    /// Entries that are kept unless the operator says otherwise.
    package static let entryLimit = 5
    /// Keys with this beginning belong to the gateway and are dropped.
    package static let reservedPrefix = "cf."

    /// The first entries as a JSON object; nil when the value is no JSON object, holds anything but scalars, or has no
    /// entry left.
    package static func sanitize(_ value: UnsafeRawBufferPointer, limit: Int = entryLimit) -> String? {
        guard JSONScan.validate(value) else { return nil }
        let view = JSONView(value)
        guard view.kind == .object else { return nil }
        var entries: [(key: String, raw: String)] = []
        var isScalar = true
        view.forEachMember { key, member in
            switch member.kind {
            case .string, .number, .bool:
                let raw = String(decoding: member.bytes, as: UTF8.self)
                if let known = entries.firstIndex(where: { $0.key == key }) {
                    entries[known].raw = raw
                } else if !key.hasPrefix(reservedPrefix), entries.count < limit {
                    entries.append((key, raw))
                }
            case .null, .object, .array, .invalid: isScalar = false
            }
        }
        guard isScalar, !entries.isEmpty else { return nil }
        return "{" + entries.map { JSONPatch.quoted($0.key) + ":" + $0.raw }.joined(separator: ",") + "}"
    }
}
