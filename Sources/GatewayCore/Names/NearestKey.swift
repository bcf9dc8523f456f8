/// Finds what an operator probably meant by a key that does not exist.
package enum NearestKey {
    /// The candidate with the smallest edit distance to `text`; nil when there are no candidates.
    package static func nearest(to text: String, among candidates: [String]) -> String? {
        let limited = Array(text.lowercased().utf8.prefix(128))
        return candidates.min { left, right in
            (distance(limited, Array(left.lowercased().utf8)), left)
                < (distance(limited, Array(right.lowercased().utf8)), right)
        }
    }

    /// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
    private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
        if left.isEmpty || right.isEmpty { return max(left.count, right.count) }
        var beforePrevious: [Int] = []
        var previous = Array(0...right.count)
        for row in 1...left.count {
            var current = [row]
            current.reserveCapacity(right.count + 1)
            for column in 1...right.count {
                let replaced = previous[column - 1] + (left[row - 1] == right[column - 1] ? 0 : 1)
                var best = min(replaced, previous[column] + 1, current[column - 1] + 1)
                if row > 1, column > 1, left[row - 1] == right[column - 2], left[row - 2] == right[column - 1] {
                    best = min(best, beforePrevious[column - 2] + 1)
                }
                current.append(best)
            }
            beforePrevious = previous
            previous = current
        }
        return previous[right.count]
    }
}
