import ControlPlane

extension AdminRoutes {
    var analyticsTable: [AdminRoute] {
        let problem = Schema.object(["message": .string, "path": .anything, "extensions": .object])
        return [
            AdminRoute(
                "POST", Self.graphQL, "Answers GraphQL queries about the requests of the token's account.", .read,
                body: .object(["query": .string, "variables?": .anything, "operationName?": .anything]),
                answer: .document(
                    .object(["data": .anything, "errors": .array(of: problem).orNull]).named("GraphQLAnswer"))
            ) { try await answerGraphQL($0) }
        ]
    }

    /// GraphQL's own shape, not the envelope; what is wrong with a query is in `errors` of a 200.
    ///
    /// - Source: control-plane §15.1 · documented.
    func answerGraphQL(_ call: AdminCall) async throws -> AdminAnswer {
        let answer = try await analytics.answer(try call.document(), account: call.account)
        return AdminAnswer(status: 200, contentType: Envelope.contentType, body: answer.bytes)
    }
}
