import CByteKernels

/// How the model is found in a native path, for providers that name it there (data-plane §11.2).
package struct ModelPathRule: Sendable {
    let find: @Sendable (String) -> String?

    init(_ find: @escaping @Sendable (String) -> String?) { self.find = find }

    static let none = ModelPathRule { _ in nil }

    /// The text after `marker` up to the next of `ends`, percent-decoded.
    static func after(_ marker: String, until ends: [UInt8]) -> ModelPathRule {
        ModelPathRule { path in
            let start: Int
            if path.hasPrefix(marker) {
                start = marker.utf8.count
            } else {
                guard let found = path.utf8Position(of: "/" + marker) else { return nil }
                start = found + 1 + marker.utf8.count
            }
            let rest = path.utf8.dropFirst(start).prefix { !ends.contains($0) }
            let name = UntrustedPath.percentDecoded(String(decoding: rest, as: UTF8.self))
            return name.isEmpty ? nil : name
        }
    }
}

extension String {
    /// Lends the text's UTF-8, without a copy where it stands in one piece, as it does in every native string.
    @inline(__always)
    func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        var text = self
        return text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }

    /// How many bytes precede the first occurrence of `needle`.
    func utf8Position(of needle: String) -> Int? {
        guard !needle.isEmpty else { return nil }
        return withBytes { text in
            needle.withBytes { wanted in
                guard let base = text.baseAddress, let wantedBase = wanted.baseAddress else { return nil }
                let found = aig_find(base, text.count, wantedBase, wanted.count)
                return found < 0 ? nil : found
            }
        }
    }
}
