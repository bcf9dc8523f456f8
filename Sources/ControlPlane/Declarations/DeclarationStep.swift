import GatewayCore
import PostgresStore

/// One thing to do so that what is stored becomes what is declared.
struct DeclarationStep {
    /// What becomes of a provider config's key.
    enum Key {
        /// It stays, or there is none to point to.
        case same
        case existing(SecretID)
        /// A new secret of the config's own that points outside.
        case newReference(String)
        /// The config's own secret points elsewhere from now on.
        case changedReference(String, SecretID, StoreID)
    }

    enum Action {
        case deleteRoute(String, GatewayID)
        case deleteProviderConfig(String, GatewayID)
        case deleteGateway(GatewayID)
        case deleteCustomCost(String)
        case deleteCustomProvider(String)
        case createCustomProvider(AccountProviderSettings, CustomProviderDraft.Headers)
        case changeCustomProvider(String, AccountProviderSettings, CustomProviderDraft.Headers)
        /// For the provider with this slug.
        case createCustomCost(CustomCostSettings, String)
        case changeCustomCost(String, CustomCostSettings, String)
        case createGateway(GatewayID, GatewaySettings)
        case changeGateway(GatewayID, GatewaySettings)
        case createProviderConfig(ProviderConfigDraft, GatewayID, Key)
        case changeProviderConfig(String, ProviderConfigDraft, GatewayID, Key)
        case createRoute(String, [JSONValue], GatewayID)
        case changeRoute(String, [JSONValue], GatewayID)
    }

    var action: Action
    /// Of what is declared; empty for what goes.
    var path: [String]
}
