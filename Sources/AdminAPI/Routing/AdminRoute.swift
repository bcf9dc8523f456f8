import ControlPlane
package import GatewayCore
package import PostgresStore

/// What a caller must be allowed to do.
package enum Requirement: Sendable, Equatable {
    /// A token of the account that may read the route's area.
    case read
    /// A token of the account that may change the route's area.
    case edit
    /// A token of the account that may see what is logged beside the bodies.
    case metadata
    /// Any token that is in use, whatever it allows.
    case anyToken
    /// Nothing: whoever reaches the port. Only for answers that are always the same.
    case everyone
}

/// The parts of the API for which a token can be allowed alone.
package enum Area: Sendable, Equatable {
    case gateways, secrets, analytics
    /// What is about the account itself, its tokens above all: only tokens that may read or change everything.
    case account

    /// - Parameter template: a path, whose beginning decides; what is not known belongs to the account.
    init(of template: String) {
        if template == AdminRoutes.product || template.hasPrefix(AdminRoutes.product + "/") {
            self = .gateways
        } else if template.hasPrefix(AdminRoutes.secrets + "/") {
            self = .secrets
        } else if template == AdminRoutes.graphQL {
            self = .analytics
        } else {
            self = .account
        }
    }
}

/// One entry of the route table.
package struct AdminRoute: Sendable {
    /// One segment of a path.
    enum Segment: Sendable, Equatable {
        case literal(String)
        case account
        case parameter(String)
    }

    /// What a route does.
    enum Operation: Sendable {
        case call(@Sendable (AdminCall) async throws -> AdminAnswer)
        /// Always the same answer: all that a route may give to whoever asks.
        case constant(AdminAnswer)
    }

    package var method: String
    /// For example `/accounts/{account_id}/ai-gateway/gateways/{gateway_id}`.
    package var template: String
    package var requirement: Requirement
    package let area: Area
    let description: RouteDescription
    let segments: [Segment]
    let operation: Operation
    /// What its errors have for a result.
    var resultOfErrors: JSONValue = [:]

    /// - Parameters:
    ///   - summary: one sentence that says what it does.
    ///   - requirement: nil stands for the rule of the API: `read` for GET, `edit` for everything else.
    ///   - body: the form of the JSON body; nil when none is read.
    ///   - status: of a successful answer.
    init(
        _ method: String, _ template: String, _ summary: String, _ requirement: Requirement? = nil,
        query: [RouteDescription.Parameter] = [], body: Schema? = nil,
        answer: RouteDescription.Answer = .result(.anything), status: Int = 200,
        _ operation: @escaping @Sendable (AdminCall) async throws -> AdminAnswer
    ) {
        self.method = method
        self.template = template
        description = RouteDescription(summary: summary, query: query, body: body, answer: answer, status: status)
        self.requirement = requirement ?? (method == "GET" ? .read : .edit)
        area = Area(of: template)
        self.operation = .call(operation)
        segments = Self.segments(of: template)
    }

    /// What a token has to cover; nil when no token opens the route.
    package var permissions: Permissions? {
        switch (requirement, area) {
        case (.everyone, _): nil
        case (.anyToken, _): []
        case (.metadata, _): .metadata
        case (.read, .gateways): .gatewayRead
        case (.edit, .gateways): .gatewayEdit
        case (.read, .secrets): .secretsRead
        case (.edit, .secrets): .secretsEdit
        case (.read, .analytics): .analytics
        case (.read, .account): .read
        case (.edit, .account), (.edit, .analytics): .edit
        }
    }

    /// A GET route that gives one document to everyone.
    init(open template: String, _ summary: String, _ answer: AdminAnswer) {
        method = "GET"
        self.template = template
        description = RouteDescription(summary: summary, answer: .document(.object))
        requirement = .everyone
        area = Area(of: template)
        operation = .constant(answer)
        segments = Self.segments(of: template)
    }

    private static func segments(of template: String) -> [Segment] {
        template.split(separator: "/").map { part in
            if part == "{account_id}" { return .account }
            return part.hasPrefix("{") ? .parameter(String(part.dropFirst().dropLast())) : .literal(String(part))
        }
    }

    /// The values of the parameters when `path` has the form of this route.
    func match(_ path: [String]) -> [String: String]? {
        guard path.count == segments.count else { return nil }
        var parameters: [String: String] = [:]
        for (part, segment) in zip(path, segments) {
            switch segment {
            case .literal(let literal): if part != literal { return nil }
            case .account: parameters["account_id"] = part
            case .parameter(let name): parameters[name] = part
            }
        }
        return parameters
    }

    /// Literal segments; among several routes that match, the one with the most wins.
    var literals: Int { segments.count { if case .literal = $0 { true } else { false } } }
}

/// A call that was let in: its account, parameters, query and body.
package struct AdminCall: Sendable {
    /// The account of the path, else the token's.
    package var account: AccountID
    package var token: APIToken
    package var parameters: [String: String]
    package var query: QueryItems
    package var body: [UInt8]

    /// A parameter of the route; its form is checked where it is used, by asking the database.
    func parameter(_ name: String) -> String { parameters[name] ?? "" }

    var gateway: GatewayID { GatewayID(parameter("gateway_id")) }

    /// The body as JSON; an empty one counts as an empty object.
    func document() throws(APIProblem) -> JSONValue {
        if body.allSatisfy({ $0 == 0x20 || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }) { return [:] }
        do {
            return try JSONValue(parsing: body)
        } catch {
            throw .invalid(["body"], "Invalid JSON at byte \(error.offset)")
        }
    }
}
