package import GatewayCore

/// Tells by which request headers, besides the credentials it is known to take, a provider may tell its callers apart.
///
/// Answers to callers that a provider could tell apart are not shared (data-plane §4.1).
package enum CallerIdentity {
    /// Who reads the header.
    package enum Reader: Sendable {
        /// A provider of the registry, of which it is known where it looks.
        case builtIn
        /// An account's own provider, which may look anywhere.
        case custom
    }

    private static let identifying: [StaticString] = [
        "cookie", "x-auth-key", "x-auth-email", "x-auth-token", "x-amz-security-token", "openai-organization",
        "openai-project", "x-goog-user-project", "chatgpt-account-id",
    ]
    /// Headers by which no provider tells its callers apart.
    private static let harmless: [StaticString] = [
        "accept", "accept-language", "cache-control", "pragma", "dnt", "priority", "origin", "referer", "traceparent",
        "tracestate", "baggage", "idempotency-key", "x-request-id", "anthropic-version", "anthropic-beta",
    ]
    private static let harmlessPrefixes: [StaticString] = ["x-stainless-", "cf-", "sec-"]

    /// Whether a header may tell a provider who is asking; to an account's own provider every header may that is not
    /// known to be harmless.
    package static func mayTell(_ bytes: UnsafeRawBufferPointer, _ field: FieldSlice, to reader: Reader) -> Bool {
        let isCustom = reader == .custom
        guard field.kind == .other else { return isCustom && field.kind == .authorization }
        guard isCustom else { return identifying.contains { $0.matches(bytes, field.name) } }
        for prefix in harmlessPrefixes {
            let length = prefix.utf8CodeUnitCount
            let start = field.name.lowerBound
            if field.name.count > length, prefix.matches(bytes, start..<start + length) { return false }
        }
        return !harmless.contains { $0.matches(bytes, field.name) }
    }
}
