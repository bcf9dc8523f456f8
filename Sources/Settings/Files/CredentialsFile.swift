import Foundation
import GatewayCore

/// `credentials.json` in the state directory, mode 0600.
package struct CredentialsFile: Sendable {
    package let path: String

    package init(stateDirectory: String) { path = stateDirectory + "/credentials.json" }

    private struct Content: Codable {
        var account_id: String
        var api_token: String
        var data_url: String
        var control_url: String
        var postgres_url: String?
        var redis_url: String?
    }

    /// What an earlier start wrote; nil when there is no file.
    package func read() throws(SettingsError) -> NodeCredentials? {
        guard let bytes = try PrivateFile.read(path) else { return nil }
        guard let content = try? JSONDecoder().decode(Content.self, from: Data(bytes)),
            AccountID.isWellFormed(content.account_id.utf8), !content.api_token.isEmpty
        else { throw SettingsError("\(path) is damaged; repair or remove it") }
        return NodeCredentials(
            account: AccountID(content.account_id), token: Secret(content.api_token), dataURL: content.data_url,
            controlURL: content.control_url, postgresURL: content.postgres_url.map { Secret($0) },
            redisURL: content.redis_url.map { Secret($0) }, freshness: .known
        )
    }

    package func write(_ credentials: NodeCredentials) throws(SettingsError) {
        let content = Content(
            account_id: credentials.account.rawValue, api_token: credentials.token.reveal(),
            data_url: credentials.dataURL, control_url: credentials.controlURL,
            postgres_url: credentials.postgresURL?.reveal(), redis_url: credentials.redisURL?.reveal()
        )
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? encoder.encode(content) else { throw SettingsError("\(path) cannot be encoded") }
        try PrivateFile.write(Array(data) + [0x0a], to: path)
    }
}
