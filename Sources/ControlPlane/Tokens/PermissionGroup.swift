package import GatewayCore

/// A named part of what a token may do, as Cloudflare's API has them.
///
/// Ids that Cloudflare does not publish, and groups that only this daemon has, carry ids of our own, which stay.
///
/// - Source: control-plane §14 · documented.
package struct PermissionGroup: Sendable, Equatable {
    /// What every group's scope is: a token belongs to one account.
    package static let scope = "com.cloudflare.api.account"

    package var id: String
    package var name: String
    package var category: String
    package var permissions: Permissions

    package static let all: [PermissionGroup] = [
        PermissionGroup("a19a7e00000000000000000000000001", "AI Gateway Run", .run),
        PermissionGroup("a19a7e00000000000000000000000002", "AI Gateway Metadata Read", .metadata),
        PermissionGroup("4dc8917b4b40457d88d3035d5dadb054", "AI Gateway Read", .gatewayRead),
        PermissionGroup("6c8a3737f07f46369c1ea1f22138daaf", "AI Gateway Write", .gatewayEdit),
        PermissionGroup(
            "5e33b7d77788455c9fdf18cbd38ee5a0", "Secrets Store Read", .secretsRead, category: "developer_platform"),
        PermissionGroup(
            "adc8fa2bc6124928a8b3314dc63a1235", "Secrets Store Write", .secretsEdit, category: "developer_platform"),
        PermissionGroup(
            "a19a7e00000000000000000000000003", "Account Analytics Read", .analytics, category: "analytics_and_logs"),
        PermissionGroup("a19a7e00000000000000000000000004", "Account Read", .read, category: "account_and_billing"),
        PermissionGroup("a19a7e00000000000000000000000005", "Account Write", .edit, category: "account_and_billing"),
    ]

    private init(
        _ id: String, _ name: String, _ permissions: Permissions, category: String = "ai_and_machine_learning"
    ) {
        self.id = id
        self.name = name
        self.category = category
        self.permissions = permissions
    }

    /// The groups that make up `permissions`, in the order of the table.
    package static func groups(of permissions: Permissions) -> [PermissionGroup] {
        all.filter { permissions.isSuperset(of: $0.permissions) }
    }
}
