import WireFormats

/// How a kind of answer reports what it consumed (providers.md §4.2).
///
/// A value made of small readers; each provider's folder composes its own.
package struct UsageFormat: Sendable {
    /// A top-level member of a whole answer, and what it says.
    struct Member: Sendable {
        var name: StaticString
        var read: @Sendable (JSONView, inout UsageTally) -> Void

        init(_ name: StaticString, _ read: @escaping @Sendable (JSONView, inout UsageTally) -> Void) {
            self.name = name
            self.read = read
        }

        static let model = Member("model") { $1.note(model: $0) }
    }

    /// A response header, and what it says.
    struct Header: Sendable {
        /// Lower case.
        var name: StaticString
        var read: @Sendable (String, inout UsageTally) -> Void
    }

    typealias Event = @Sendable (
        _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally
    ) -> Void

    var members: [Member]
    var event: Event = { _, _, _ in }
    var headers: [Header] = []
    /// The key to look for at the end of answers that are a JSON array.
    var arrayMember: Member?
    /// The request member whose length is billed.
    var spokenMember: StaticString?
    /// Bytes of one member of a whole answer that may be kept.
    var memberLimit = 65_536

    init(members: [Member]) { self.members = members }

    /// An answer that reports nothing.
    package static let none = UsageFormat(members: [])

    /// Lower-case names of the response headers that `UsageReader.note(header:value:)` wants to see.
    package var wantedHeaders: [StaticString] { headers.map(\.name) }

    /// The characters that a speech request is billed for; nil when the format is not billed so.
    ///
    /// - Units: Unicode scalars.
    package func characters(inRequest body: UnsafeRawBufferPointer) -> Int? {
        guard let spokenMember, let text = JSONView(body).member(spokenMember)?.string else { return nil }
        return text.unicodeScalars.count
    }
}
