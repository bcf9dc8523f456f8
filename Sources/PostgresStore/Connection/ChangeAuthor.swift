package import GatewayCore

/// On whose behalf the present task changes the database; the audit log notes it with every change.
package enum ChangeAuthor: Sendable, Equatable {
    /// The bearer of an API token.
    case token(TokenID, name: String)
    /// Somebody with a shell on the node.
    case commandLine
    /// A file of declarations, whoever had it applied.
    case declarations(file: String)
    /// The daemon by itself.
    case system

    @TaskLocal package static var current: ChangeAuthor = .system

    /// A JSON object in text form, for `audit_entries.author`.
    var text: String {
        switch self {
        case .token(let id, let name):
            #"{"type":"token","id":"\#(Self.escaped(id.rawValue))","name":"\#(Self.escaped(name))"}"#
        case .commandLine: #"{"type":"command"}"#
        case .declarations(let file): #"{"type":"import","id":"\#(Self.escaped(file))"}"#
        case .system: #"{"type":"system"}"#
        }
    }

    private static func escaped(_ text: String) -> String {
        var out = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            if scalar == "\"" || scalar == "\\" { out.append("\\") }
            out.append(scalar.value < 0x20 ? " " : scalar)
        }
        return String(out)
    }
}
