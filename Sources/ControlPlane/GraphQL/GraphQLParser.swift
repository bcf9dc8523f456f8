extension GraphQLDocument {
    /// Longer texts are refused, in bytes.
    package static let maximumLength = 65_536
    /// Deeper selections and values are refused, so that no client decides how deep the stack grows.
    package static let maximumDepth = 24

    /// Reads a request text.
    package init(parsing text: String) throws(GraphQLProblem) {
        guard text.utf8.count <= Self.maximumLength else {
            throw GraphQLProblem("The query is longer than \(Self.maximumLength) bytes")
        }
        var parser = try GraphQLParser(text)
        self = try parser.document()
    }
}

/// Reads tokens by recursive descent, one ahead.
private struct GraphQLParser {
    private var lexer: GraphQLLexer
    private var token: GraphQLLexer.Token

    init(_ text: String) throws(GraphQLProblem) {
        lexer = GraphQLLexer(text)
        token = try lexer.next()
    }

    private mutating func advance() throws(GraphQLProblem) { token = try lexer.next() }

    private func isSign(_ sign: Unicode.Scalar) -> Bool { token == .sign(UInt8(ascii: sign)) }

    private mutating func accept(_ sign: Unicode.Scalar) throws(GraphQLProblem) -> Bool {
        guard isSign(sign) else { return false }
        try advance()
        return true
    }

    private mutating func expect(_ sign: Unicode.Scalar) throws(GraphQLProblem) {
        guard try accept(sign) else { throw lexer.problem("expected '\(sign)'") }
    }

    private mutating func name() throws(GraphQLProblem) -> String {
        guard case .name(let name) = token else { throw lexer.problem("expected a name") }
        try advance()
        return name
    }

    private func refuseDirectives() throws(GraphQLProblem) {
        if isSign("@") { throw lexer.problem("directives are not supported") }
    }

    mutating func document() throws(GraphQLProblem) -> GraphQLDocument {
        var document = GraphQLDocument(operations: [], fragments: [:])
        while token != .end {
            if isSign("{") {
                document.operations.append(.init(name: nil, variables: [], selections: try selections(depth: 0)))
                continue
            }
            switch try name() {
            case "query": document.operations.append(try operation())
            case "fragment":
                let name = try name()
                guard name != "on", try self.name() == "on" else { throw lexer.problem("expected 'on'") }
                _ = try self.name()
                try refuseDirectives()
                guard document.fragments[name] == nil else {
                    throw GraphQLProblem("There are two fragments called \(name)")
                }
                document.fragments[name] = try selections(depth: 0)
            case "mutation", "subscription": throw GraphQLProblem("Only queries are supported")
            default: throw lexer.problem("expected 'query' or 'fragment'")
            }
        }
        if document.operations.isEmpty { throw GraphQLProblem("The query is empty") }
        return document
    }

    private mutating func operation() throws(GraphQLProblem) -> GraphQLDocument.Operation {
        var operation = GraphQLDocument.Operation(name: nil, variables: [], selections: [])
        if case .name(let name) = token {
            operation.name = name
            try advance()
        }
        if try accept("(") {
            while try !accept(")") { operation.variables.append(try variable()) }
        }
        try refuseDirectives()
        operation.selections = try selections(depth: 0)
        return operation
    }

    private mutating func variable() throws(GraphQLProblem) -> GraphQLDocument.Variable {
        try expect("$")
        let name = try name()
        try expect(":")
        let isRequired = try type(depth: 0)
        let standard = try accept("=") ? try value(depth: 0) : nil
        try refuseDirectives()
        return .init(name: name, standard: standard, isRequired: isRequired)
    }

    /// Reads a type, whose name means nothing here; true when it ends in an exclamation mark.
    private mutating func type(depth: Int) throws(GraphQLProblem) -> Bool {
        guard depth < GraphQLDocument.maximumDepth else { throw lexer.problem("too deep") }
        if try accept("[") {
            _ = try type(depth: depth + 1)
            try expect("]")
        } else {
            _ = try name()
        }
        return try accept("!")
    }

    private mutating func selections(depth: Int) throws(GraphQLProblem) -> [GraphQLDocument.Selection] {
        guard depth < GraphQLDocument.maximumDepth else { throw lexer.problem("too deep") }
        try expect("{")
        var selections: [GraphQLDocument.Selection] = []
        while try !accept("}") {
            if token == .ellipsis {
                try advance()
                if case .name(let name) = token, name != "on" {
                    try advance()
                    try refuseDirectives()
                    selections.append(.spread(name))
                    continue
                }
                if case .name = token {
                    try advance()
                    _ = try name()
                }
                try refuseDirectives()
                selections.append(.inline(try self.selections(depth: depth + 1)))
            } else {
                selections.append(.field(try field(depth: depth)))
            }
        }
        if selections.isEmpty { throw lexer.problem("a selection is empty") }
        return selections
    }

    private mutating func field(depth: Int) throws(GraphQLProblem) -> GraphQLDocument.Field {
        var field = GraphQLDocument.Field(alias: nil, name: try name(), arguments: [], selections: [])
        if try accept(":") {
            field.alias = field.name
            field.name = try name()
        }
        if try accept("(") {
            while try !accept(")") { field.arguments.append(try argument(depth: depth)) }
        }
        try refuseDirectives()
        if isSign("{") { field.selections = try selections(depth: depth + 1) }
        return field
    }

    private mutating func argument(depth: Int) throws(GraphQLProblem) -> GraphQLDocument.Argument {
        let name = try name()
        try expect(":")
        return .init(name: name, value: try value(depth: depth))
    }

    private mutating func value(depth: Int) throws(GraphQLProblem) -> GraphQLDocument.Value {
        guard depth < GraphQLDocument.maximumDepth else { throw lexer.problem("too deep") }
        switch token {
        case .number(let literal):
            try advance()
            return .number(literal)
        case .string(let text):
            try advance()
            return .string(text)
        case .name(let name):
            try advance()
            switch name {
            case "true": return .bool(true)
            case "false": return .bool(false)
            case "null": return .null
            default: return .enumeration(name)
            }
        default: break
        }
        if try accept("$") { return .variable(try name()) }
        if try accept("[") {
            var elements: [GraphQLDocument.Value] = []
            while try !accept("]") { elements.append(try value(depth: depth + 1)) }
            return .list(elements)
        }
        try expect("{")
        var members: [GraphQLDocument.Argument] = []
        while try !accept("}") { members.append(try argument(depth: depth + 1)) }
        return .object(members)
    }
}
