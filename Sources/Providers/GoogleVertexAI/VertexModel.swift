/// A model's name on Vertex: `{publisher}/{name}`, or the name alone where it tells the publisher.
struct VertexModel {
    let publisher: String
    /// Without the publisher.
    let name: String

    init(_ text: String) {
        if let slash = text.firstIndex(of: "/") {
            publisher = String(text[..<slash])
            name = String(text[text.index(after: slash)...])
        } else {
            publisher = text.hasPrefix("claude") ? "anthropic" : "google"
            name = text
        }
    }
}
