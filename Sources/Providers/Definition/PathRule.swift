package import GatewayCore

/// How the rest of a native gateway path becomes an upstream path (providers.md §1.2).
package enum PathRule: Sendable {
    case plain(PlainPath)
    /// A provider whose host or path depends on parts of the path (providers.md §1.4).
    case bespoke(@Sendable (PathInput) throws(GatewayError) -> UpstreamPath)
}

/// What a bespoke path rule decides on.
package struct PathInput: Sendable {
    /// The raw rest after the provider segment, without leading slashes; checked, never decoded.
    package var path: String
    package var root: UpstreamRoot
    package var account: AccountID
    package var workersAIAccount: String?

    /// The first `count` segments and what follows them, nil when there are fewer.
    func leading(_ count: Int) -> (segments: [Substring], rest: Substring)? {
        var rest = path[...]
        var segments: [Substring] = []
        while segments.count < count {
            guard !rest.isEmpty else { return nil }
            let slash = rest.firstIndex(of: "/") ?? rest.endIndex
            segments.append(rest[..<slash])
            rest = slash == rest.endIndex ? "" : rest[rest.index(after: slash)...]
        }
        return (segments, rest)
    }
}

/// An upstream path before overrides.
package struct UpstreamPath: Sendable {
    package var origin: Origin
    /// With leading slash, percent-encoding as it came.
    package var path: String
    /// Leading segments that are the provider's own; an override that ends with them does not double them.
    package var fixed: Int
    /// The same for a path to be asked once where the provider does not know `path`; nil: what it does not know is not
    /// there.
    package var otherPath: String?
    /// How a stored key is written where it differs from the provider's usual form.
    package var credentialForms: [CredentialRule.Form]?
    /// Where a response is computed, as far as its price depends on it.
    package var place: ProcessingPlace

    init(
        origin: Origin, path: String, fixed: Int = 0, otherPath: String? = nil,
        credentialForms: [CredentialRule.Form]? = nil, place: ProcessingPlace = .anywhere
    ) {
        self.origin = origin
        self.path = path
        self.fixed = fixed
        self.otherPath = otherPath
        self.credentialForms = credentialForms
        self.place = place
    }
}

/// The rule that most providers share: a version prefix is added when the path has none.
package struct PlainPath: Sendable {
    /// Inserted unless the path begins with one of `segments`: `v1/`.
    package var prefix: StaticString
    package var segments: [StaticString]
    /// Removed from the front, the first that matches, before anything else.
    package var stripped: [StaticString]
    /// Removed from the front when the provider does not know the path with it: `v1/`.
    package var optional: StaticString?
    /// Form of a stored key for paths that begin so.
    package var credentialForms: [(path: StaticString, forms: [CredentialRule.Form])]

    init(
        prefix: StaticString = "", segments: [StaticString] = [], stripped: [StaticString] = [],
        optional: StaticString? = nil, credentialForms: [(path: StaticString, forms: [CredentialRule.Form])] = []
    ) {
        self.prefix = prefix
        self.segments = segments
        self.stripped = stripped
        self.optional = optional
        self.credentialForms = credentialForms
    }

    /// `v1/` in front of everything that does not begin with it.
    static let version1 = PlainPath(prefix: "v1/", segments: ["v1"])

    /// Whether a segment is an API version: `v` and a digit, then letters and digits.
    static func isVersion(_ segment: some StringProtocol) -> Bool { isVersion(utf8: segment.utf8) }

    @inline(__always)
    private static func isVersion(utf8 segment: some Collection<UInt8>) -> Bool {
        var bytes = segment.makeIterator()
        guard bytes.next() == 0x76, let digit = bytes.next(), (0x30...0x39).contains(digit) else { return false }
        while let byte = bytes.next() {
            guard (0x30...0x39).contains(byte) || (0x61...0x7a).contains(byte) else { return false }
        }
        return true
    }

    func apply(_ path: String, root: UpstreamRoot) -> UpstreamPath {
        path.withBytes { apply($0, root: root) }
    }

    private func apply(_ path: UnsafeRawBufferPointer, root: UpstreamRoot) -> UpstreamPath {
        var rest = path
        // The most frequent client mistake: a base URL with a version, below which the SDK adds its own.
        if rest.begins(with: "v1/v1/") { rest = rest.without(first: 3) }
        for strip in stripped where rest.begins(with: strip) {
            rest = rest.without(first: strip.utf8CodeUnitCount)
            break
        }
        let first = UnsafeRawBufferPointer(rebasing: rest[..<(rest.firstIndex(of: 0x2f) ?? rest.count)])
        let hasSegment = segments.contains { first.isText($0) }
        let added: StaticString = hasSegment ? "" : prefix
        let ownSegments = root.prefix.utf8.reduce(0) { $0 + ($1 == 0x2f ? 1 : 0) }
        let versioned = added.utf8CodeUnitCount > 0 || (hasSegment && Self.isVersion(utf8: first))
        var other: String?
        if let optional, rest.begins(with: optional) {
            other = Self.join(root.prefix, "", rest.without(first: optional.utf8CodeUnitCount))
        }
        return UpstreamPath(
            origin: root.origin, path: Self.join(root.prefix, added, rest), fixed: ownSegments + (versioned ? 1 : 0),
            otherPath: other,
            credentialForms: credentialForms.first { rest.begins(with: $0.path) }?.forms
        )
    }

    /// `root/addedrest`, put together in one piece.
    private static func join(_ root: String, _ added: StaticString, _ rest: UnsafeRawBufferPointer) -> String {
        root.withBytes { root in
            let added = UnsafeRawBufferPointer(start: added.utf8Start, count: added.utf8CodeUnitCount)
            let length = root.count + 1 + added.count + rest.count
            return String(unsafeUninitializedCapacity: length) { text in
                let whole = UnsafeMutableRawBufferPointer(text)
                whole.copyMemory(from: root)
                whole[root.count] = 0x2f
                UnsafeMutableRawBufferPointer(rebasing: whole[(root.count + 1)...]).copyMemory(from: added)
                UnsafeMutableRawBufferPointer(rebasing: whole[(length - rest.count)...]).copyMemory(from: rest)
                return length
            }
        }
    }
}

extension UnsafeRawBufferPointer {
    func begins(with text: StaticString) -> Bool {
        let length = text.utf8CodeUnitCount
        return count >= length && UnsafeRawBufferPointer(rebasing: self[..<length]).isText(text)
    }

    fileprivate func without(first length: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: self[length...])
    }
}
