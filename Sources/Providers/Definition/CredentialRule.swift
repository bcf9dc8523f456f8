/// Where a provider expects its key, and where clients put it (providers.md §2.1).
package struct CredentialRule: Sendable {
    /// One header that carries a key.
    package struct Form: Sendable {
        /// Lower case.
        package var header: StaticString
        /// Written before the key: `Bearer `, or empty.
        package var scheme: String

        init(_ header: StaticString, scheme: String = "") {
            self.header = header
            self.scheme = scheme
        }

        static let bearer = Form("authorization", scheme: "Bearer ")
    }

    /// What the gateway writes with a stored key.
    package var forms: [Form]
    /// Keys that begin so are written differently.
    package var exceptions: [(prefix: String, forms: [Form])] = []
    /// Lower-case header names whose value is a credential when a client sends it.
    package var acceptedHeaders: [StaticString]
    package var acceptedQueryKeys: [String] = []
    /// Reads what a credential tells beside the secret itself; nil for one that tells nothing, and for no credential.
    package var place: (@Sendable (_ key: String) -> CredentialPlace?)?
    /// What is made of keys that are documents.
    package var derivation = CredentialDerivation.none

    init(
        _ forms: Form..., accepts: [StaticString], queryKeys: [String] = [],
        exceptions: [(prefix: String, forms: [Form])] = []
    ) {
        self.forms = forms
        self.exceptions = exceptions
        acceptedHeaders = accepts
        acceptedQueryKeys = queryKeys
    }

    static let bearer = CredentialRule(.bearer, accepts: ["authorization"])

    /// The headers that carry a stored key; none when the key cannot stand in a header.
    package func inject(_ key: String) -> [(name: StaticString, value: String)] { inject(key, as: nil) }

    func inject(_ key: String, as special: [Form]?) -> [(name: StaticString, value: String)] {
        guard !key.isEmpty, key.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return [] }
        let chosen = exceptions.first { key.hasPrefix($0.prefix) }?.forms ?? special ?? forms
        return chosen.map { ($0.header, $0.scheme + key) }
    }

    /// The key in a credential header's value, without its scheme word; nil when there is none.
    ///
    /// An empty key behind a scheme counts as absent (data-plane §1.9 · observed: some clients send `Bearer ` alone).
    package func bareCredential(_ headerValue: String, header: StaticString) -> String? {
        var value = headerValue.drop { $0 == " " || $0 == "\t" }
        while let last = value.last, last == " " || last == "\t" { value.removeLast() }
        for scheme in ["bearer", "token", "key", "api-key"] {
            let length = scheme.utf8.count
            guard value.utf8.count >= length, value.prefix(length).lowercased() == scheme else { continue }
            let rest = value.dropFirst(length)
            if rest.isEmpty { return nil }
            guard rest.first == " " || rest.first == "\t" else { continue }
            value = rest.drop { $0 == " " || $0 == "\t" }
            break
        }
        return value.isEmpty ? nil : String(value)
    }
}
