import Foundation
import Telemetry
import TestKit
import Testing

@Suite("The page of metrics")
struct MetricsPageTests {
    private struct Family: Hashable {
        var name: String
        var kind: String
    }

    /// What `/metrics` shows when every cell of a worker has counted something.
    private func rendered() -> Set<Family> {
        let cells = Cells()
        for index in 0..<Cells.count { cells.set(index, 1) }
        let text = MetricText.render(workers: [(slot: 0, cells: cells)], providers: ["openai"])
        return Set(
            text.split(separator: "\n").filter { $0.hasPrefix("# TYPE ") }.map { line in
                let words = line.split(separator: " ")
                return Family(name: String(words[2]), kind: String(words[3]))
            }
        )
    }

    /// Every metric's name that stands in the sources, so that those of control are found as well.
    private func spelled() throws -> Set<String> {
        let sources = DocumentationPage.repository.appendingPathComponent("Sources")
        let files = try #require(FileManager.default.enumerator(at: sources, includingPropertiesForKeys: nil))
        var names: Set<String> = []
        for case let file as URL in files where file.pathExtension == "swift" {
            let text = try String(contentsOf: file, encoding: .utf8)
            for match in text.matches(of: /"(aig_[a-z][a-z0-9_]+)"/) { names.insert(String(match.1)) }
        }
        return names
    }

    @Test("has one row for every metric family, with its type, and none for anything else")
    func families() throws {
        let rows = try DocumentationPage("metrics.md").rows(under: "metric")
        let documented = rows.map { Family(name: $0[0].withoutCodeMarks, kind: $0[1]) }
        #expect(Set(documented).count == rows.count, "a metric has more than one row")
        #expect(Set(documented.map(\.name)) == (try spelled()))
        for family in rendered() { #expect(documented.contains(family), "\(family.name) is a \(family.kind)") }
        for row in rows { #expect(row.count == 4 && row[3].count > 10, "\(row[0]) is not explained") }
    }
}
