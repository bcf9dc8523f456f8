import GatewayCore

/// Reads the settings among the process's environment variables.
struct EnvironmentSource {
    let providers: [ProviderID]

    /// - Limit: a variable with our prefix that is no setting is an error, except those that container platforms
    ///   inject for a service that is called `aigatewayd`.
    func layer(_ environment: [String: String]) throws(SettingsError) -> SettingLayer {
        var layer = SettingLayer()
        for (variable, text) in environment.sorted(by: { $0.key < $1.key })
        where variable.hasPrefix(SettingTable.environmentPrefix) {
            if variable == SettingTable.environmentConfigFile || Self.isServiceLink(variable) { continue }
            guard let key = SettingTable.key(environment: variable, providers: providers) else {
                let all = SettingTable.keys + SettingTable.providerSettings(providers)
                throw SettingLayer.unknown(
                    variable, nearest: all.map(\.environmentName) + [SettingTable.environmentConfigFile],
                    origin: "environment"
                )
            }
            try layer.add(key, SettingLayer.elements(text, of: key), origin: "environment variable \(variable)")
        }
        return layer
    }

    /// `AIGATEWAYD_SERVICE_HOST`, `AIGATEWAYD_PORT`, `AIGATEWAYD_PORT_8787_TCP_ADDR` and the like.
    private static func isServiceLink(_ variable: String) -> Bool {
        let rest = variable.dropFirst(SettingTable.environmentPrefix.count)
        return rest == "PORT" || rest == "NAME" || rest.hasPrefix("PORT_") || rest == "SERVICE_HOST"
            || rest == "SERVICE_PORT" || rest.hasPrefix("SERVICE_PORT_")
    }
}
