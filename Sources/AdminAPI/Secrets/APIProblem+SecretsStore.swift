import ControlPlane

extension APIProblem {
    /// The Secrets Store's own codes and texts (control-plane.md §13.4 · observed; the texts of what is not listed there
    /// are ours).
    init(_ problem: SecretsStoreProblem) {
        switch problem {
        case .storeNotFound: self.init(404, 1001, "store_not_found")
        case .secretNotFound: self.init(404, 1001, "secret_not_found")
        case .storeNameEmpty: self.init(400, 1001, "store_name_empty")
        case .storeNameInvalid: self.init(400, 1001, "store_name_invalid")
        case .storeNameTaken: self.init(400, 1003, "store_name_already_exists")
        // Clients repeat a 409 by themselves; this is where the service answers one all the same.
        case .storeNotEmpty: self.init(409, 1003, "store_not_empty")
        case .storesExceeded: self.init(400, 1003, "maximum_stores_exceeded")
        case .secretNameEmpty: self.init(400, 1001, "secret_name_empty")
        case .secretNameInvalid: self.init(400, 1001, "secret_name_invalid")
        case .secretNameTaken: self.init(400, 1003, "secret_name_already_exists")
        case .secretScopesEmpty: self.init(400, 1001, "secret_scopes_empty")
        case .secretScopeInvalid: self.init(400, 1001, "secret_scope_invalid")
        case .secretValueEmpty: self.init(400, 1001, "secret_value_empty")
        case .secretValueTooLong: self.init(400, 1001, "secret_value_too_long")
        case .secretCommentTooLong: self.init(400, 1001, "secret_comment_too_long")
        case .secretsExceeded: self.init(400, 1003, "maximum_secrets_exceeded")
        case .referenceRefused(let advice): self.init(400, 1001, "secret_reference_refused: \(advice)")
        case .invalidBody: self.init(400, 1001, "invalid_json_body")
        }
    }
}
