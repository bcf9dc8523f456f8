/// A GraphQL request text, read: operations and fragments (GraphQL specification, October 2021, §2 · documented).
///
/// Of the language it has queries, aliases, arguments, variables with defaults, inline fragments and fragments by name.
/// Directives, mutations and subscriptions are refused when the text is read.
package struct GraphQLDocument: Sendable, Equatable {
    package struct Operation: Sendable, Equatable {
        package var name: String?
        package var variables: [Variable]
        package var selections: [Selection]
    }

    /// A declared variable.
    package struct Variable: Sendable, Equatable {
        package var name: String
        package var standard: Value?
        /// Declared with an exclamation mark.
        package var isRequired: Bool
    }

    package enum Selection: Sendable, Equatable {
        case field(Field)
        /// `...Name`.
        case spread(String)
        /// `... on Type { }`; every type is taken, since the schema has neither unions nor interfaces.
        case inline([Selection])
    }

    package struct Field: Sendable, Equatable {
        package var alias: String?
        package var name: String
        package var arguments: [Argument]
        package var selections: [Selection]
    }

    package struct Argument: Sendable, Equatable {
        package var name: String
        package var value: Value
    }

    package indirect enum Value: Sendable, Equatable {
        case variable(String)
        /// The literal as it is written.
        case number(String)
        case string(String)
        case bool(Bool)
        case null
        case enumeration(String)
        case list([Value])
        case object([Argument])
    }

    package var operations: [Operation]
    package var fragments: [String: [Selection]]
}

/// Why a GraphQL request has no answer.
package struct GraphQLProblem: Error, Sendable, Equatable {
    package var message: String
    /// Response names from the root to what is wrong.
    package var path: [String]

    package init(_ message: String, path: [String] = []) {
        self.message = message
        self.path = path
    }
}
