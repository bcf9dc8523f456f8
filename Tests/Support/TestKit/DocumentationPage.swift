package import Foundation

/// A page of `ops/docs`, read so that tests can compare its tables with what they describe.
package struct DocumentationPage {
    private let lines: [String]

    /// - Parameter name: the file's name, for example `settings.md`.
    package init(_ name: String) throws {
        let text = try String(contentsOf: Self.repository.appendingPathComponent("ops/docs/" + name), encoding: .utf8)
        lines = text.components(separatedBy: "\n")
    }

    /// The checkout that the tests were built from.
    package static var repository: URL {
        (0..<4).reduce(URL(fileURLWithPath: #filePath)) { url, _ in url.deletingLastPathComponent() }
    }

    /// The rows of every table whose first column has this heading, cell by cell, in the page's order.
    package func rows(under heading: String) -> [[String]] {
        var rows: [[String]] = []
        var heads: [String]?
        for line in lines {
            guard line.hasPrefix("|") else {
                heads = nil
                continue
            }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).dropFirst().dropLast()
                .map { $0.trimmingCharacters(in: .whitespaces) }
            if heads == nil {
                heads = cells
            } else if heads?.first == heading, !cells.allSatisfy({ $0.allSatisfy { $0 == "-" } }) {
                rows.append(cells)
            }
        }
        return rows
    }
}

extension String {
    /// The text without the marks of code that enclose it.
    package var withoutCodeMarks: String {
        count >= 2 && hasPrefix("`") && hasSuffix("`") ? String(dropFirst().dropLast()) : self
    }
}
