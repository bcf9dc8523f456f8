import Foundation
import GatewayCore

/// `credentials.json` in the state directory, mode 0600.
package struct CredentialsFile: Sendable {
    package let path: String

    package init(stateDirectory: String) { path = stateDirectory + "/credentials.json" }

    private struct Content: Codable {
        var account: String
        var token: String
        var dataURL: String
        var controlURL: String
        var postgresURL: String?
        var redisURL: String?

        enum CodingKeys: String, CodingKey {
            case account = "account_id"
            case token = "api_token"
            case dataURL = "data_url"
            case controlURL = "control_url"
            case postgresURL = "postgres_url"
            case redisURL = "redis_url"
        }
    }

    /// What an earlier start wrote; nil when there is no file.
    package func read() throws(SettingsError) -> NodeCredentials? {
        guard let bytes = try PrivateFile.read(path) else { return nil }
        guard let content = try? JSONDecoder().decode(Content.self, from: Data(bytes)),
            AccountID.isWellFormed(content.account.utf8), !content.token.isEmpty
        else { throw SettingsError("\(path) is damaged; repair or remove it") }
        return NodeCredentials(
            account: AccountID(content.account), token: Secret(content.token), dataURL: content.dataURL,
            controlURL: content.controlURL, postgresURL: content.postgresURL.map { Secret($0) },
            redisURL: content.redisURL.map { Secret($0) }, freshness: .known
        )
    }

    package func write(_ credentials: NodeCredentials) throws(SettingsError) {
        let content = Content(
            account: credentials.account.rawValue, token: credentials.token.reveal(),
            dataURL: credentials.dataURL, controlURL: credentials.controlURL,
            postgresURL: credentials.postgresURL?.reveal(), redisURL: credentials.redisURL?.reveal()
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(content) else { throw SettingsError("\(path) cannot be encoded") }
        try PrivateFile.write(Array(data) + [0x0a], to: path)
    }
}
