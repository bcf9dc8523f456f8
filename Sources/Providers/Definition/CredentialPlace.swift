/// Where the owner of a credential has its models, as the credential itself tells (providers.md §1.3, §2.4, §2.5).
package struct CredentialPlace: Sendable, Equatable {
    /// Nil: models are called outside of any project.
    package var project: String?
    /// Nil: the provider's usual one.
    package var region: String?

    package init(project: String? = nil, region: String? = nil) {
        self.project = project
        self.region = region
    }
}
