package import GatewayCore
package import PostgresStore
import Providers

/// A custom provider object as a client sent it, checked against control-plane.md §8.1.
package struct CustomProviderDraft: Sendable {
    /// What becomes of the header fields; their text is still open.
    package enum Headers: Sendable {
        case unchanged
        case none
        case text(Secret<String>)
    }

    private static let nameLengths = 1...256
    private static let textLengths = 0...65_536

    /// Complete but for `headers`.
    package private(set) var settings: AccountProviderSettings
    package private(set) var headers = Headers.unchanged

    /// Reads the body of a create call.
    package static func creation(_ body: JSONValue, _ egress: EgressRule) throws(ControlError) -> CustomProviderDraft {
        var draft = CustomProviderDraft(settings: AccountProviderSettings(name: "", slug: "", baseURL: ""))
        var reader = FieldReader(body)
        draft.take(&reader, .required, egress)
        try reader.finish()
        return draft
    }

    /// Applies the body of a change call to the settings in force; what is absent stays.
    package static func update(
        _ body: JSONValue, of current: AccountProviderSettings, _ egress: EgressRule
    ) throws(ControlError) -> CustomProviderDraft {
        var draft = CustomProviderDraft(settings: current)
        var reader = FieldReader(body)
        draft.take(&reader, .optional, egress)
        try reader.finish()
        return draft
    }

    private mutating func take(_ reader: inout FieldReader, _ presence: FieldReader.Presence, _ egress: EgressRule) {
        if presence == .required || body(reader, has: "name") {
            settings.name = reader.requiredString("name", lengths: Self.nameLengths)
        }
        if presence == .required || body(reader, has: "slug") {
            settings.slug = reader.requiredString("slug", lengths: 1...CustomProvider.slugLimit)
            if !settings.slug.isEmpty, !CustomProvider.isSlug(settings.slug) {
                reader.report("slug", "Slug must consist of letters, digits and hyphens")
            }
        }
        if presence == .required || body(reader, has: "base_url") { takeBaseURL(&reader, egress) }
        reader.bool("enable", into: &settings.isEnabled)
        reader.bool("beta", into: &settings.isBeta)
        reader.string("description", lengths: Self.textLengths, into: &settings.description)
        reader.string("link", lengths: Self.textLengths, into: &settings.link)
        reader.string("curl_example", lengths: Self.textLengths, into: &settings.curlExample)
        reader.string("js_example", lengths: Self.textLengths, into: &settings.jsExample)
        reader.string("logo", lengths: 0...262_144, into: &settings.logo)
        reader.integer("position", in: Int(Int32.min)...Int(Int32.max), into: &settings.position)
        takeHeaders(&reader)
    }

    private func body(_ reader: FieldReader, has name: String) -> Bool { reader.document[name] != nil }

    private mutating func takeBaseURL(_ reader: inout FieldReader, _ egress: EgressRule) {
        settings.baseURL = reader.requiredString("base_url", lengths: 1...CustomBaseURL.lengthLimit)
        guard !settings.baseURL.isEmpty else { return }
        do throws(CustomBaseURL.Refusal) {
            try CustomBaseURL.check(settings.baseURL, egress)
        } catch {
            reader.report("base_url", error.message)
        }
    }

    private mutating func takeHeaders(_ reader: inout FieldReader) {
        guard body(reader, has: "headers") else { return }
        var text: String?
        reader.string("headers", lengths: 0...CustomHeaders.lengthLimit, into: &text)
        guard let text, !text.isEmpty else { return headers = .none }
        // What was shown masked comes back when a client sends the whole object again.
        if text == settings.headers?.preview { return }
        headers = .text(Secret(text))
        do throws(CustomHeaders.Refusal) {
            try CustomHeaders.check(Array(text.utf8))
        } catch {
            reader.report("headers", error.message)
        }
    }
}
