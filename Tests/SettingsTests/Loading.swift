import GatewayCore
import Settings

/// Loads settings as a process would, without touching its real environment.
func load(
    yaml: String? = nil, environment: [String: String] = [:], assignments: [String] = [],
    in directory: TemporaryDirectory? = nil
) throws -> DaemonSettings {
    let directory = try directory ?? TemporaryDirectory()
    var file: String?
    if let yaml { file = try directory.write(yaml, to: "aigatewayd.yaml") }
    return try SettingsLoader.load(
        SettingsInput(
            assignments: assignments, environment: environment, configFile: file ?? "/dev/null",
            providers: ["openai", "google-ai-studio", "sandbox"], workingDirectory: "/srv"
        )
    )
}

/// The message of the error that loading ends with.
func refusal(
    yaml: String? = nil, environment: [String: String] = [:], assignments: [String] = []
) throws -> String {
    do {
        _ = try load(yaml: yaml, environment: environment, assignments: assignments)
        return "accepted"
    } catch let error as SettingsError {
        return error.message
    }
}
