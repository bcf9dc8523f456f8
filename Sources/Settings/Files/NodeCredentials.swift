package import GatewayCore

/// The first account and token of a node, and where the node is reached: the content of `credentials.json`.
package struct NodeCredentials: Sendable {
    /// Whether the token was made by this very start, which may then show it on the terminal.
    package enum Freshness: Sendable { case generatedNow, known }

    package var account: AccountID
    package var token: Secret<String>
    package var dataURL: String
    package var controlURL: String
    /// With an embedded store only.
    package var postgresURL: Secret<String>?
    /// With an embedded store only.
    package var redisURL: Secret<String>?
    package var freshness: Freshness

    package init(
        account: AccountID, token: Secret<String>, dataURL: String, controlURL: String,
        postgresURL: Secret<String>? = nil, redisURL: Secret<String>? = nil, freshness: Freshness
    ) {
        self.account = account
        self.token = token
        self.dataURL = dataURL
        self.controlURL = controlURL
        self.postgresURL = postgresURL
        self.redisURL = redisURL
        self.freshness = freshness
    }

    /// Settings first, then what an earlier start wrote to the file, then newly generated values.
    ///
    /// A token belongs to its account: when `bootstrap.account_id` changes, a generated token is replaced as well.
    package static func prepare(_ settings: DaemonSettings) throws(SettingsError) -> NodeCredentials {
        let earlier = try CredentialsFile(stateDirectory: settings.stateDirectory).read()
        var random = SystemRandomNumberGenerator()
        let account = settings.bootstrapAccount ?? earlier?.account ?? newAccount(&random)
        var credentials = NodeCredentials(
            account: account, token: Secret(""), dataURL: settings.dataURL, controlURL: settings.controlURL,
            freshness: .known
        )
        if let token = settings.bootstrapToken {
            credentials.token = token
        } else if let earlier, earlier.account == account {
            credentials.token = earlier.token
        } else {
            credentials.token = newToken(&random)
            credentials.freshness = .generatedNow
        }
        return credentials
    }

    private static func newAccount(_ random: inout SystemRandomNumberGenerator) -> AccountID {
        let digits = Array("0123456789abcdef")
        return AccountID(String((0..<32).map { _ in digits[Int.random(in: 0..<16, using: &random)] }))
    }

    /// 40 letters and digits, 238 random bits, behind the prefix that all our tokens have.
    private static func newToken(_ random: inout SystemRandomNumberGenerator) -> Secret<String> {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        return Secret("aig_" + String((0..<40).map { _ in letters[Int.random(in: 0..<62, using: &random)] }))
    }
}
