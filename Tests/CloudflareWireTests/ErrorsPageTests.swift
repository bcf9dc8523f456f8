import CloudflareWire
import Foundation
import GatewayCore
import TestKit
import Testing

@Suite("The page of errors")
struct ErrorsPageTests {
    private static let kinds: [GatewayError.Kind] = [
        .gatewayNotFound, .unparsableModelOutput, .rateLimited, .providerUnreachable, .invalidProvider, .unauthorized,
        .invalidRequestBody, .requestTimedOut, .badChatCompletion, .storedKeyUnavailable, .limitStateUnavailable,
        .internalFailure, .methodNotAllowed, .noSuchPath, .bodyTooLarge, .headTooLarge, .malformedRequest, .notReady,
    ]

    /// The kinds as they are declared, so that a new one cannot be forgotten here.
    private func declared() throws -> Set<String> {
        let file = DocumentationPage.repository.appendingPathComponent("Sources/GatewayCore/Errors/GatewayError.swift")
        let text = try String(contentsOf: file, encoding: .utf8)
        let start = try #require(text.range(of: "package enum Kind"))
        let end = try #require(text.range(of: "\n    }", range: start.upperBound..<text.endIndex))
        let names = text[start.upperBound..<end.lowerBound].matches(of: /\n        case (\w+)/)
        return Set(names.map { String($0.1) })
    }

    @Test("has one row for every kind of error, with its status, code and message, and none for anything else")
    func kinds() throws {
        let rows = try DocumentationPage("errors.md").rows(under: "kind")
        let declared = try declared()
        #expect(Set(Self.kinds.map { "\($0)" }) == declared)
        #expect(Set(rows.map { $0[0].withoutCodeMarks }) == declared)
        #expect(rows.count == declared.count, "a kind has more than one row")
        for kind in Self.kinds {
            let body = ErrorBody(GatewayError(kind, origin: .gateway))
            let row = try #require(rows.first { $0[0].withoutCodeMarks == "\(kind)" })
            #expect(row.count == 5 && row[1] == "\(body.status)" && row[2] == "\(body.code)", "\(kind)")
            #expect(row[3].withoutCodeMarks == body.message, "\(kind)")
            #expect(row[4].count > 10, "\(kind): what to do is not said")
        }
    }
}
