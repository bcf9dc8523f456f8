import GatewayCore
import WireFormats

/// An access key as it is stored: `{"accessKeyId","secretAccessKey","region","sessionToken"?}` (providers.md §2.5).
struct AWSAccessKey {
    var id: String
    var secret: Secret<String>
    var sessionToken: Secret<String>?
    /// Where the key's owner has its models; calls that name a region themselves go there.
    var region: String?

    static func isDocument(_ key: String) -> Bool { key.first { !$0.isWhitespace } == "{" }

    /// Nil for what is no such document, or could not stand in a header.
    init?(_ document: Secret<String>) {
        let members: [String: String]? = document.reveal().withBytes { bytes in
            guard JSONScan.validate(bytes) else { return nil }
            var members: [String: String] = [:]
            JSONView(bytes).forEachMember { name, value in
                if members[name] == nil, let text = value.string, !text.isEmpty { members[name] = text }
            }
            return members
        }
        guard let members, let id = members["accessKeyId"], let secret = members["secretAccessKey"],
            id.utf8.allSatisfy({ UntrustedPath.isAlphanumeric($0) || $0 == 0x5F })
        else { return nil }
        let token = members["sessionToken"]
        guard token?.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) ?? true else { return nil }
        self.id = id
        self.secret = Secret(secret)
        sessionToken = token.map { Secret($0) }
        region = members["region"]
    }
}
