/// One call of the management API, read whole.
package struct AdminRequest: Sendable {
    package var method: String
    /// Percent-encoded, without query.
    package var path: String
    /// Percent-encoded, without the question mark.
    package var query: String
    /// In the order they came; names in any case.
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(
        method: String, path: String, query: String = "", headers: [(name: String, value: String)] = [],
        body: [UInt8] = []
    ) {
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
    }

    /// The first header called `name`, given in lower case.
    func header(_ name: String) -> String? {
        headers.first { $0.name.utf8.count == name.utf8.count && $0.name.lowercased() == name }?.value
    }
}

/// What a call is answered with.
package struct AdminAnswer: Sendable {
    package var status: Int
    package var headers: [(name: String, value: String)]
    package var body: [UInt8]

    package init(status: Int, contentType: String, body: [UInt8]) {
        self.status = status
        headers = [("content-type", contentType)]
        self.body = body
    }
}
