import WireFormats

/// How a kind of answer reports what it consumed (providers.md §4.2).
///
/// Made of small readers; each provider's folder composes its own, once. A class, because every answer's reader holds
/// one.
package final class UsageFormat: Sendable {
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

    typealias Event =
        @Sendable (
            _ name: UnsafeRawBufferPointer, _ data: UnsafeRawBufferPointer, _ tally: inout UsageTally
        ) -> Void

    static let usualMemberLimit = 65_536

    let members: [Member]
    /// The members' names, in their order.
    let memberNames: [StaticString]
    let event: Event
    let headers: [Header]
    /// The key to look for at the end of answers that are a JSON array.
    let arrayMember: Member?
    /// The request member whose length is billed.
    let spokenMember: StaticString?
    /// Bytes of one member of a whole answer that may be kept.
    let memberLimit: Int
    /// Lower-case names of the response headers that `UsageReader.note(header:value:)` wants to see.
    package let wantedHeaders: [StaticString]

    init(
        members: [Member], event: @escaping Event = { _, _, _ in }, headers: [Header] = [],
        arrayMember: Member? = nil, spokenMember: StaticString? = nil, memberLimit: Int = usualMemberLimit
    ) {
        self.members = members
        memberNames = members.map(\.name)
        self.event = event
        self.headers = headers
        self.arrayMember = arrayMember
        self.spokenMember = spokenMember
        self.memberLimit = memberLimit
        wantedHeaders = headers.map(\.name)
    }

    /// An answer that reports nothing.
    package static let none = UsageFormat(members: [])

    /// The characters that a speech request is billed for; nil when the format is not billed so.
    ///
    /// - Units: Unicode scalars.
    package func characters(inRequest body: UnsafeRawBufferPointer) -> Int? {
        guard let spokenMember, let text = JSONView(body).member(spokenMember)?.string else { return nil }
        return text.unicodeScalars.count
    }
}
