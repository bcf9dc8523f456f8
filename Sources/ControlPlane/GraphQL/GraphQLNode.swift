/// One field of a query that is to be answered: fragments are unfolded, variables are replaced by their values.
package struct GraphQLNode: Sendable, Equatable {
    /// What the answer calls it.
    package var responseName: String
    package var name: String
    /// By name; words of an enumeration are strings.
    package var arguments: JSONValue
    package var children: [GraphQLNode]
    /// Response names from the root to here.
    package var path: [String]

    /// A problem with this field.
    package func problem(_ message: String) -> GraphQLProblem { GraphQLProblem(message, path: path) }

    /// Reads an argument; nil when it is absent or null.
    package func argument(_ name: String) -> JSONValue? {
        guard let value = arguments[name], !value.isNull else { return nil }
        return value
    }

    /// Refuses arguments that are not among the given ones.
    package func allowArguments(_ names: [String]) throws(GraphQLProblem) {
        for member in arguments.members ?? [] where !names.contains(member.name) {
            throw problem("Unknown argument \"\(member.name)\" on field \"\(name)\"")
        }
    }
}

extension GraphQLDocument {
    /// More fields than this, fragments unfolded, are refused.
    package static let maximumFields = 1000

    /// The fields of the operation that is meant.
    ///
    /// - Parameters:
    ///   - operation: needed when there are several.
    ///   - variables: an object, by name.
    package func nodes(operation name: String?, variables: JSONValue) throws(GraphQLProblem) -> [GraphQLNode] {
        let candidates = name == nil ? operations : operations.filter { $0.name == name }
        guard let operation = candidates.first else {
            throw GraphQLProblem("There is no operation called \(name ?? "")")
        }
        guard candidates.count == 1 else {
            throw GraphQLProblem("operationName must say which of the operations is meant")
        }
        var values: [String: JSONValue] = [:]
        for variable in operation.variables {
            if let given = variables[variable.name] {
                values[variable.name] = given
            } else if let standard = variable.standard {
                values[variable.name] = try Self.resolve(standard, [:], path: [])
            } else if variable.isRequired {
                throw GraphQLProblem("Variable \"$\(variable.name)\" is required")
            } else {
                values[variable.name] = .null
            }
        }
        var count = 0
        return try unfold(operation.selections, values, path: [], depth: 0, &count)
    }

    private func unfold(
        _ selections: [Selection], _ variables: [String: JSONValue], path: [String], depth: Int, _ count: inout Int
    ) throws(GraphQLProblem) -> [GraphQLNode] {
        guard depth < Self.maximumDepth * 2 else { throw GraphQLProblem("Fragments are nested too deep", path: path) }
        var nodes: [GraphQLNode] = []
        for selection in selections {
            count += 1
            guard count <= Self.maximumFields else {
                throw GraphQLProblem("The query has more than \(Self.maximumFields) fields", path: path)
            }
            switch selection {
            case .inline(let inner):
                for node in try unfold(inner, variables, path: path, depth: depth + 1, &count) {
                    try Self.merge(node, into: &nodes)
                }
            case .spread(let name):
                guard let inner = fragments[name] else {
                    throw GraphQLProblem("There is no fragment called \(name)", path: path)
                }
                for node in try unfold(inner, variables, path: path, depth: depth + 1, &count) {
                    try Self.merge(node, into: &nodes)
                }
            case .field(let field):
                let responseName = field.alias ?? field.name
                let place = path + [responseName]
                let node = GraphQLNode(
                    responseName: responseName, name: field.name,
                    arguments: try Self.resolve(.object(field.arguments), variables, path: place),
                    children: try unfold(field.selections, variables, path: place, depth: depth + 1, &count),
                    path: place
                )
                try Self.merge(node, into: &nodes)
            }
        }
        return nodes
    }

    /// Adds a node, or its children to the one that has its name already.
    private static func merge(_ node: GraphQLNode, into nodes: inout [GraphQLNode]) throws(GraphQLProblem) {
        guard let index = nodes.firstIndex(where: { $0.responseName == node.responseName }) else {
            return nodes.append(node)
        }
        guard nodes[index].name == node.name, nodes[index].arguments == node.arguments else {
            throw node.problem("Two different fields are called \"\(node.responseName)\"; use aliases")
        }
        for child in node.children { try merge(child, into: &nodes[index].children) }
    }

    private static func resolve(
        _ value: Value, _ variables: [String: JSONValue], path: [String]
    ) throws(GraphQLProblem) -> JSONValue {
        switch value {
        case .variable(let name):
            guard let value = variables[name] else {
                throw GraphQLProblem("Variable \"$\(name)\" is not declared", path: path)
            }
            return value
        case .number(let literal): return .number(literal)
        case .string(let text), .enumeration(let text): return .string(text)
        case .bool(let flag): return .bool(flag)
        case .null: return .null
        case .list(let elements):
            var values: [JSONValue] = []
            for element in elements { values.append(try resolve(element, variables, path: path)) }
            return .array(values)
        case .object(let arguments):
            var members: [JSONValue.Member] = []
            for argument in arguments {
                guard !members.contains(where: { $0.name == argument.name }) else {
                    throw GraphQLProblem("\"\(argument.name)\" is given twice", path: path)
                }
                members.append(.init(argument.name, try resolve(argument.value, variables, path: path)))
            }
            return .object(members)
        }
    }
}
