import ControlPlane

/// The v4 envelope around every answer of the management API (control-plane.md §1.3 · documented).
enum Envelope {
    static let contentType = "application/json"

    /// `result` alone, or with what a list tells about itself.
    ///
    /// - Parameter name: where the same content is expected as well (control-plane §1.3, exceptions).
    static func success(
        _ result: JSONValue, info: JSONValue? = nil, messages: [JSONValue] = [], also name: String? = nil
    ) -> AdminAnswer {
        var members = [
            JSONValue.Member("success", true), .init("errors", []), .init("messages", .array(messages)),
            .init("result", result),
        ]
        if let name { members.append(.init(name, result)) }
        if let info { members.append(.init("result_info", info)) }
        return AdminAnswer(status: 200, contentType: contentType, body: JSONValue.object(members).bytes)
    }

    /// - Parameter result: what stands where there is no result.
    static func failure(_ problem: APIProblem, result: JSONValue = [:]) -> AdminAnswer {
        let entries = problem.entries.map { entry in
            var members = [
                JSONValue.Member("code", JSONValue(entry.code)), .init("message", .string(entry.message)),
            ]
            if let path = entry.path { members.append(.init("path", .array(path.map { .string($0) }))) }
            if !entry.chain.isEmpty {
                let chain = entry.chain.map { link -> JSONValue in
                    ["code": JSONValue(link.code), "message": .string(link.message)]
                }
                members.append(.init("error_chain", .array(chain)))
            }
            return JSONValue.object(members)
        }
        let document: JSONValue = [
            "success": false, "errors": .array(entries), "messages": [], "result": result,
        ]
        var answer = AdminAnswer(status: problem.status, contentType: contentType, body: document.bytes)
        for (name, value) in problem.headers.sorted(by: { $0.key < $1.key }) { answer.headers.append((name, value)) }
        return answer
    }
}
