import GatewayCore

/// Writes the paths of models on Vertex (providers.md §1.3).
enum VertexPath {
    /// The path up to the name of a publisher's model.
    static func models(of publisher: String, _ place: CredentialPlace?) throws(GatewayError) -> String {
        "\(try scope(place))publishers/\(publisher)/models/"
    }

    /// The path up to what belongs to a project; outside of one, with an express key, the version alone.
    private static func scope(_ place: CredentialPlace?) throws(GatewayError) -> String {
        guard let place else { throw homeless }
        return place.project == nil ? "v1/" : try project(place)
    }

    /// The path of a project at a location, with a slash at its end.
    static func project(_ place: CredentialPlace?) throws(GatewayError) -> String {
        guard let place, let project = place.project else { throw homeless }
        guard isProject(project) else { throw ChatCompletionRequest.refusal("the credential names no sound project") }
        let region = place.region ?? "global"
        guard region.utf8.allSatisfy({ UntrustedPath.isAlphanumeric($0) || $0 == 0x2D }) else {
            throw ChatCompletionRequest.refusal("the credential names no sound region")
        }
        return "v1/projects/\(project)/locations/\(region)/"
    }

    private static var homeless: GatewayError {
        ChatCompletionRequest.refusal(
            "google-vertex-ai needs a service account as its credential: its JSON, with a member `region`"
        )
    }

    /// Whether the text has the form of a project's id or number, with or without a domain.
    private static func isProject(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x61...0x7A, 0x2D, 0x2E, 0x3A: true
                default: false
                }
            } && !text.contains("..") && text != "."
    }
}
