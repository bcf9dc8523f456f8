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
        /// Set where nothing matters but how many elements there are; the member may be of any length then.
        var count: (@Sendable (Int, inout UsageTally) -> Void)?

        init(_ name: StaticString, _ read: @escaping @Sendable (JSONView, inout UsageTally) -> Void) {
            self.name = name
            self.read = read
        }

        /// A list of what is billed by the piece: objects, or addresses; numbers and nulls are no pieces.
        init(counting name: StaticString, _ count: @escaping @Sendable (Int, inout UsageTally) -> Void) {
            self.name = name
            self.count = count
            read = { view, tally in if let number = view.pieceCount { count(number, &tally) } }
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
    /// Which of the members are only counted, by their place.
    let countedMembers: Set<Int>
    let event: Event
    let headers: [Header]
    /// The key to look for at the end of answers that are a JSON array.
    let arrayMember: Member?
    /// What of a request decides on the price where the answer does not say it.
    struct Asked: Sendable {
        /// The member whose length is billed.
        var text: StaticString?
        /// The member that names the model.
        var model: StaticString?
        /// The key of the query that names the model.
        var modelKey: String?
    }

    let asked: Asked
    /// Bytes of one member of a whole answer that may be kept.
    let memberLimit: Int
    /// Lower-case names of the response headers that `UsageReader.note(header:value:)` wants to see.
    package let wantedHeaders: [StaticString]

    init(
        members: [Member], event: @escaping Event = { _, _, _ in }, headers: [Header] = [],
        arrayMember: Member? = nil, asked: Asked = Asked(), memberLimit: Int = usualMemberLimit
    ) {
        self.members = members
        memberNames = members.map(\.name)
        countedMembers = Set(members.indices.filter { members[$0].count != nil })
        self.event = event
        self.headers = headers
        self.arrayMember = arrayMember
        self.asked = asked
        self.memberLimit = memberLimit
        wantedHeaders = headers.map(\.name)
    }

    /// An answer that reports nothing.
    package static let none = UsageFormat(members: [])

    /// Whether `UsageReader.note(request:query:)` has something to find in a request's body.
    package var readsRequest: Bool { asked.text != nil || asked.model != nil }
    /// Whether it has something to find in a request's query.
    package var readsQuery: Bool { asked.modelKey != nil }
}
