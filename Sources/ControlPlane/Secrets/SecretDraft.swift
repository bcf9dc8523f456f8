import GatewayCore

/// The members of a secret as a caller sends them, checked (control-plane.md §13.2).
struct SecretDraft {
    static let maximumName = 255
    static let maximumComment = 1024

    var name: String
    /// Alphabetical, each once.
    var scopes: [String]
    var comment: String?

    /// Reads `name`, `scopes` and `comment`.
    init(_ document: JSONValue) throws(ControlError) {
        guard document.members != nil else { throw .secretsStore(.invalidBody) }
        name = try Self.name(document["name"])
        scopes = try Self.scopes(document["scopes"])
        comment = try Self.comment(document["comment"])
    }

    static func name(_ value: JSONValue?) throws(ControlError) -> String {
        guard let value, value != .null, value != "" else { throw .secretsStore(.secretNameEmpty) }
        guard let text = value.text else { throw .secretsStore(.invalidBody) }
        let isAcceptable = text.unicodeScalars.allSatisfy {
            !$0.properties.isWhitespace && $0.properties.generalCategory != .control
        }
        guard isAcceptable, text.unicodeScalars.count <= maximumName else { throw .secretsStore(.secretNameInvalid) }
        return text
    }

    static func scopes(_ value: JSONValue?) throws(ControlError) -> [String] {
        guard let value, value != .null else { throw .secretsStore(.secretScopesEmpty) }
        guard let elements = value.elements else { throw .secretsStore(.invalidBody) }
        if elements.isEmpty { throw .secretsStore(.secretScopesEmpty) }
        var words: Set<String> = []
        for element in elements {
            guard let word = element.text, SecretsStoreAdministration.scopes.contains(word) else {
                throw .secretsStore(.secretScopeInvalid)
            }
            words.insert(word)
        }
        return words.sorted()
    }

    static func comment(_ value: JSONValue?) throws(ControlError) -> String? {
        guard let value, value != .null else { return nil }
        guard let text = value.text, !text.utf8.contains(0) else { throw .secretsStore(.invalidBody) }
        guard text.unicodeScalars.count <= maximumComment else { throw .secretsStore(.secretCommentTooLong) }
        return text
    }

    /// The text under `value`.
    static func value(_ value: JSONValue?) throws(ControlError) -> String {
        guard let value, value != .null else { throw .secretsStore(.secretValueEmpty) }
        guard let text = value.text, !text.utf8.contains(0) else { throw .secretsStore(.invalidBody) }
        return text
    }
}
