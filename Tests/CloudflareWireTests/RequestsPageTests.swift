import CloudflareWire
import Foundation
import TestKit
import Testing

@Suite("The page of requests")
struct RequestsPageTests {
    /// The header names that the product spells, as they are declared in one of the two lists.
    private func declared(in list: String) throws -> Set<String> {
        let file = DocumentationPage.repository.appendingPathComponent("Sources/CloudflareWire/HeaderNames.swift")
        let text = try String(contentsOf: file, encoding: .utf8)
        let start = try #require(text.range(of: "package enum \(list)"))
        let end = try #require(text.range(of: "\n}", range: start.upperBound..<text.endIndex))
        let names = text[start.upperBound..<end.lowerBound].matches(of: /StaticString = "([a-z-]+)"/)
        return Set(names.map { String($0.1) }.filter { !$0.hasSuffix("-") })
    }

    @Test("has one row for every header that the gateway reads, and none for any other")
    func read() throws {
        let rows = try DocumentationPage("requests.md").rows(under: "header").filter { $0.count == 4 }
        #expect(Set(rows.map { $0[0].withoutCodeMarks }) == (try declared(in: "RequestHeaderName")))
        #expect(Set(rows.map { $0[0] }).count == rows.count)
    }

    @Test("has one row for every header that the gateway adds, and none for any other")
    func added() throws {
        let rows = try DocumentationPage("requests.md").rows(under: "header").filter { $0.count == 2 }
        #expect(Set(rows.map { $0[0].withoutCodeMarks }) == (try declared(in: "ResponseHeaderName")))
        #expect(rows.allSatisfy { $0[1].count > 10 })
    }

    @Test("names the bounds that the gateway enforces")
    func bounds() throws {
        let rows = try DocumentationPage("requests.md").rows(under: "header")
        func accepted(_ header: String) throws -> String { try #require(rows.first { $0[0] == "`\(header)`" })[1] }
        let ttl = SettingValue.cacheTTLRange
        #expect(try accepted("cf-aig-cache-ttl").contains("\(ttl.lowerBound) to \(ttl.upperBound)"))
        #expect(try accepted("cf-aig-cache-key").contains("\(Directives.cacheKeyLimit) bytes"))
        #expect(try accepted("cf-aig-event-id").contains("\(Directives.eventIDLimit) bytes"))
        let tries = SettingValue.attemptsRange
        #expect(try accepted("cf-aig-max-attempts") == "\(tries.lowerBound) to \(tries.upperBound)")
        let delay = SettingValue.retryDelayRange
        #expect(try accepted("cf-aig-retry-delay").contains("\(delay.lowerBound) to \(delay.upperBound)"))
        let page = DocumentationPage.repository.appendingPathComponent("ops/docs/requests.md")
        let text = try String(contentsOf: page, encoding: .utf8)
        #expect(text.contains("up to \(UniversalBody.stepLimit) steps"))
        #expect(text.contains("at most \(UniversalBody.headerLimit)"))
    }
}
