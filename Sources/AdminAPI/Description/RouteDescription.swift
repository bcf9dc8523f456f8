import ControlPlane

/// What a route does, takes and answers, for the API's description.
struct RouteDescription: Sendable {
    /// A parameter in the query.
    struct Parameter: Sendable {
        enum Presence: Sendable { case optional, required }

        var name: String
        var schema: Schema
        var presence = Presence.optional

        init(_ name: String, _ schema: Schema, _ presence: Presence = .optional) {
            self.name = name
            self.schema = schema
            self.presence = presence
        }
    }

    /// The form of a successful answer.
    enum Answer: Sendable {
        /// `result` of the v4 envelope.
        case result(Schema)
        /// `result` is an array, and `result_info` tells where in the list it is.
        case list(Schema)
        /// `result` and, with the same content, another member of the envelope (control-plane §1.3, exceptions).
        case twice(String, Schema)
        /// No envelope: bytes as they were stored.
        case bytes
        /// No envelope: a JSON document.
        case document(Schema)
    }

    /// One sentence.
    var summary: String
    var query: [Parameter] = []
    /// JSON; nil when the route reads no body.
    var body: Schema?
    var answer = Answer.result(.anything)
    var status = 200
}

extension [RouteDescription.Parameter] {
    /// `page` and `per_page`.
    static func pages(_ sizes: ClosedRange<Int> = 1...100) -> Self {
        [
            RouteDescription.Parameter("page", .integer(1...PageQuery.maximumPage)),
            RouteDescription.Parameter("per_page", .integer(sizes)),
        ]
    }
}
