import CloudflareWire
import GatewayCore
import Glibc
import Settings

/// What `serve` prints when everything is ready: where the node is reached, and a request to try.
struct Banner {
    private let settings: DaemonSettings
    private let credentials: NodeCredentials
    private let credentialsPath: String

    init(_ settings: DaemonSettings, _ credentials: NodeCredentials) {
        self.settings = settings
        self.credentials = credentials
        credentialsPath = CredentialsFile(stateDirectory: settings.stateDirectory).path
    }

    /// The token itself is shown once: by the start that made it, to a person at a terminal.
    func print() {
        let showsToken = credentials.freshness == .generatedNow && isatty(STDOUT_FILENO) == 1
        Swift.print(text(showingToken: showsToken ? .literally : .fromFile), terminator: "")
        fflush(nil)
    }

    /// How the token appears in the request to try.
    enum TokenForm { case literally, fromFile }

    func text(showingToken form: TokenForm) -> String {
        var lines = [
            "aigatewayd \(VersionCommand.current) is ready",
            "  data port     " + settings.dataListen.map(\.description).joined(separator: ", "),
            "  control port  " + settings.controlListen.map(\.description).joined(separator: ", "),
            "  credentials   " + credentialsPath,
        ]
        if !settings.providers.contains(where: { $0.provider == "sandbox" && !$0.enabled }) {
            lines += ["", "Try it:", "", curl(form), ""]
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private func curl(_ form: TokenForm) -> String {
        let token =
            switch form {
            case .literally: credentials.token.reveal()
            case .fromFile: "$(sed -n 's/.*\"api_token\" : \"\\(.*\\)\".*/\\1/p' \(quoted(credentialsPath)))"
            }
        var base = settings.dataURL
        var socket = ""
        if base.isEmpty, case .unix(let path)? = settings.dataListen.first {
            base = "http://localhost"
            socket = " --unix-socket " + quoted(path)
        }
        return """
            curl\(socket) \(base)/v1/\(credentials.account)/default/compat/chat/completions \\
              -H "\(RequestHeaderName.authorization): Bearer \(token)" -H 'content-type: application/json' \\
              -d '{"model":"sandbox/echo","messages":[{"role":"user","content":"Hello"}]}'
            """
    }

    private func quoted(_ path: String) -> String {
        let isPlain = path.utf8.allSatisfy {
            (0x2b...0x39).contains($0) || (0x41...0x5a).contains($0) || (0x61...0x7a).contains($0) || $0 == 0x5f
        }
        return isPlain
            ? path
            : "'"
                + path.split(separator: "'", omittingEmptySubsequences: false)
                .joined(separator: "'\\''") + "'"
    }
}
