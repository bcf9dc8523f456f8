import GatewayCore
import WireFormats

/// Reads where a credential for Vertex belongs (providers.md §2.1, §2.4).
enum VertexCredential {
    /// Project and region of a service account, in JSON or in JSON in base64; a place without a project for an express
    /// key; nil for an access token, which does not tell.
    static func place(_ key: String) -> CredentialPlace? {
        if isExpressKey(key) { return CredentialPlace() }
        guard let document = ServiceAccountExchange.document(in: Secret(key)) else { return nil }
        return document.reveal().withBytes { bytes in
            guard JSONScan.validate(bytes), let project = JSONView(bytes).member("project_id")?.string else {
                return nil
            }
            let region = JSONView(bytes).member("region")?.string ?? ""
            return CredentialPlace(project: project, region: region.isEmpty ? nil : region)
        }
    }

    /// Beginnings of API keys, which are written as such.
    static let expressPrefixes = ["AIza", "AQ."]

    private static func isExpressKey(_ key: String) -> Bool { expressPrefixes.contains { key.hasPrefix($0) } }
}
