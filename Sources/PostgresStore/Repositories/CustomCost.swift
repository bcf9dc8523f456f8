package import GatewayCore

/// What an account says that some models of its own provider cost (control-plane.md §8.2).
package struct CustomCost: Sendable, Equatable {
    package var id: String
    package var settings: CustomCostSettings
    package var createdAt: Instant
    package var modifiedAt: Instant
}

/// What may be set on a custom cost; nil is the wire's null.
package struct CustomCostSettings: Sendable, Equatable {
    /// Id of the account's own provider.
    package var provider: String
    package var model: String
    package var modelRule = ModelRule.equals
    /// US dollars per token in decimal notation.
    package var costIn: String?
    package var costOut: String?
    package var costType = "tokens"
    /// A JSON object in text form: US dollars per token of a kind, or per image.
    package var tokenPricing: String?
    package var isEnabled = true
    package var weight: Int?
    package var changedBy = "manual"

    package init(provider: String, model: String) {
        self.provider = provider
        self.model = model
    }
}
