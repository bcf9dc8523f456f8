/// What a token allows.
///
/// `run`, `read` and `edit` are the whole of the data plane, of reading and of everything (decisions 16). The others are
/// parts of them, so that a token made from permission groups gets exactly what its groups name.
///
/// - Source: control-plane §14 · documented.
package struct Permissions: OptionSet, Hashable, Sendable {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// The data plane.
    package static let run = Permissions(rawValue: 1)
    /// Every reading call of the management API.
    package static let read = Permissions(rawValue: 2)
    /// Everything, the data plane included.
    package static let edit = Permissions(rawValue: 4)
    /// The log without anything of its bodies.
    package static let metadata = Permissions(rawValue: 8)
    /// Reading below `/ai-gateway/`.
    package static let gatewayRead = Permissions(rawValue: 16)
    /// Reading and writing below `/ai-gateway/`.
    package static let gatewayEdit = Permissions(rawValue: 32)
    /// Reading below `/secrets_store/`.
    package static let secretsRead = Permissions(rawValue: 64)
    /// Reading and writing below `/secrets_store/`.
    package static let secretsEdit = Permissions(rawValue: 128)
    /// Reports by GraphQL.
    package static let analytics = Permissions(rawValue: 256)

    /// The data plane accepts either of `run` and `edit`.
    package var allowsDataPlane: Bool { !isDisjoint(with: [.run, .edit]) }

    /// These with all that they contain.
    package var closure: Permissions {
        var all = self
        if contains(.edit) { all.formUnion([.run, .read, .gatewayEdit, .secretsEdit]) }
        if all.contains(.read) { all.formUnion([.gatewayRead, .secretsRead, .analytics]) }
        if all.contains(.gatewayEdit) { all.insert(.gatewayRead) }
        if all.contains(.secretsEdit) { all.insert(.secretsRead) }
        if all.contains(.gatewayRead) { all.insert(.metadata) }
        return all
    }

    /// Whether everything that `others` allow is allowed by these.
    package func cover(_ others: Permissions) -> Bool { closure.isSuperset(of: others.closure) }
}
