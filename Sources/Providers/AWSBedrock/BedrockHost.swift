/// One of Bedrock's own hosts: which service in which region a call is for.
struct BedrockHost {
    /// The name in the scope of a signature.
    var service: String
    var region: String

    /// Nil for every other host.
    init?(_ authority: String) {
        let labels = authority.split(separator: ".", omittingEmptySubsequences: false)
        switch labels.first {
        case "bedrock-runtime" where labels.count == 4 && labels[2...] == ["amazonaws", "com"]: service = "bedrock"
        case "bedrock-mantle" where labels.count == 4 && labels[2...] == ["api", "aws"]: service = "bedrock-mantle"
        default: return nil
        }
        guard Self.isRegion(labels[1]) else { return nil }
        region = String(labels[1])
    }

    /// Whether the text has the form of an AWS region, `^[a-z]{2}(-[a-z]+)+-\d$`.
    static func isRegion(_ text: Substring) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard text.utf8.count <= 32, parts.count >= 3, parts[0].utf8.count == 2, let last = parts.last,
            last.utf8.count == 1, last.utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return false }
        return parts.dropLast().allSatisfy { part in
            !part.isEmpty && part.utf8.allSatisfy { (0x61...0x7a).contains($0) }
        }
    }
}
