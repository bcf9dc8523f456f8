import GatewayCore
import PostgresStore

/// Reads what the management API is told about a token.
///
/// What cannot be kept to the letter is refused: no token allows more, or is less bound, than its maker wrote.
///
/// - Source: control-plane §14 · documented; the form is that of Cloudflare's SDKs.
enum TokenDraft {
    /// Longest name that the API takes, in characters.
    static let longestName = 120

    private enum Effect: String, CaseIterable { case allow, deny }

    /// - Parameter current: the token that is replaced; nil for a new one.
    static func terms(
        _ body: JSONValue, of account: AccountID, replacing current: APIToken? = nil, now: Instant
    ) throws(ControlError) -> TokenTerms {
        var reader = FieldReader(body)
        var terms = TokenTerms(name: reader.requiredString("name", lengths: 1...longestName), permissions: [])
        terms.permissions = policies(&reader, of: account)
        terms.notBefore = time("not_before", &reader)
        terms.expiresAt = time("expires_on", &reader)
        if let end = terms.expiresAt {
            // A change of something else may repeat an end that has passed.
            if end <= now, end != current?.expiresAt { reader.report("expires_on", "Must be in the future") }
            if let start = terms.notBefore, start >= end { reader.report("not_before", "Must be before expires_on") }
        }
        terms.isDisabled = current?.isDisabled ?? false
        if current != nil { status(&reader, into: &terms.isDisabled) }
        refuseConditions(&reader)
        try reader.finish()
        return terms
    }

    private static func time(_ name: String, _ reader: inout FieldReader) -> Instant? {
        var text: String?
        reader.string(name, into: &text)
        guard let text else { return nil }
        guard let instant = Timestamp.instant(text) else {
            reader.report(name, "Invalid datetime")
            return nil
        }
        return instant
    }

    private static func status(_ reader: inout FieldReader, into isDisabled: inout Bool) {
        var status: APIToken.Status?
        reader.choice("status", into: &status)
        switch status {
        case nil: break
        case .active: isDisabled = false
        case .disabled: isDisabled = true
        case .expired: reader.report("status", "A token expires at expires_on; use 'active' or 'disabled'")
        }
    }

    /// Addresses of callers are not looked at, so a token that is bound to some would be worth more than it says.
    private static func refuseConditions(_ reader: inout FieldReader) {
        guard let condition = reader.member("condition"), !condition.isNull else { return }
        guard let members = condition.members else { return reader.report("condition", "Expected an object") }
        for member in members where !isEmpty(member.value) {
            reader.report("condition", "Condition '\(member.name)' is not supported")
        }
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        switch value {
        case .null: true
        case .object(let members): members.allSatisfy { isEmpty($0.value) }
        case .array(let elements): elements.isEmpty
        default: false
        }
    }

    // MARK: Policies

    private static func policies(_ reader: inout FieldReader, of account: AccountID) -> Permissions {
        guard let value = reader.member("policies", .required) else { return [] }
        guard let policies = value.elements, !policies.isEmpty else {
            reader.report("policies", "Expected an array of at least one policy")
            return []
        }
        var permissions: Permissions = []
        for (index, policy) in policies.enumerated() {
            var nested = FieldReader(policy, path: reader.path + ["policies", String(index)])
            effect(&nested)
            resources(&nested, of: account)
            permissions.formUnion(groups(&nested))
            reader.adopt(nested)
        }
        return permissions
    }

    private static func effect(_ reader: inout FieldReader) {
        var effect: Effect?
        reader.choice("effect", .required, into: &effect)
        if reader.document["effect"]?.isNull == true { reader.report("effect", "Required") }
        if effect == .deny { reader.report("effect", "Only 'allow' is supported: what is not allowed is denied") }
    }

    private static func resources(_ reader: inout FieldReader, of account: AccountID) {
        guard let value = reader.member("resources", .required) else { return }
        guard let resources = value.members, !resources.isEmpty else {
            return reader.report("resources", "Expected an object with the account")
        }
        let own = "\(PermissionGroup.scope).\(account)"
        for resource in resources where resource.name != own || resource.value != "*" {
            reader.report(
                "resources", #"Only {"\#(own)": "*"} is supported: a token allows the whole of its own account"#)
        }
    }

    private static func groups(_ reader: inout FieldReader) -> Permissions {
        guard let value = reader.member("permission_groups", .required) else { return [] }
        guard let groups = value.elements, !groups.isEmpty else {
            reader.report("permission_groups", "Expected an array of at least one group")
            return []
        }
        var permissions: Permissions = []
        for group in groups {
            if let id = group["id"]?.text, let known = PermissionGroup.all.first(where: { $0.id == id }) {
                permissions.formUnion(known.permissions)
            } else {
                reader.report(
                    "permission_groups", "Unknown permission group; GET …/tokens/permission_groups lists them")
            }
        }
        return permissions
    }
}
