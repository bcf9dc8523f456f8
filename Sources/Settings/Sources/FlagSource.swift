import GatewayCore

/// Reads the settings given on the command line as `KEY=VALUE`.
struct FlagSource {
    let providers: [ProviderID]

    /// - Limit: keys that may hold a secret are refused: every user of the machine can read a command line.
    func layer(_ assignments: [String]) throws(SettingsError) -> SettingLayer {
        var layer = SettingLayer()
        for assignment in assignments {
            guard let equals = assignment.firstIndex(of: "=") else {
                throw SettingsError("a setting on the command line has the form KEY=VALUE")
            }
            let name = String(assignment[..<equals])
            guard let key = SettingTable.key(named: name, providers: providers) else {
                let all = SettingTable.keys + SettingTable.providerSettings(providers)
                throw SettingLayer.unknown(name, nearest: all.map(\.name), origin: "command line")
            }
            if key.kind.mayHoldSecret {
                throw SettingsError(
                    "\(name) may hold a secret and is not taken from the command line; "
                        + "use \(key.environmentName) or the configuration file"
                )
            }
            let text = String(assignment[assignment.index(after: equals)...])
            try layer.add(key, SettingLayer.elements(text, of: key), origin: "command line")
        }
        return layer
    }
}
