import ArgumentParser
import ControlPlane
import Foundation
import GatewayCore
import PostgresStore
import Settings

/// `aigatewayd import`: makes an account what a file declares.
struct ImportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import",
        abstract: "Apply a YAML file of gateways, routes, provider configs and custom providers.",
        discussion: """
            Prints what changes: + is created, ~ is changed, - is deleted. Everything happens in one transaction, after \
            the whole file was checked: all of it or nothing. An object that the file names becomes what the file says, \
            members that are left out get their standard. What the file does not name stays, unless --prune is given: \
            then it is deleted, but only of kinds whose section is in the file.

            Exit status: 0 done, also when there was nothing to do; 64 no such account; 69 PostgreSQL cannot be reached; \
            75 others kept changing the configuration, try again; 78 the file is wrong or does not fit, with a line for each problem, and nothing was changed.
            """
    )

    @Argument(help: ArgumentHelp("File of declarations; - is standard input.", valueName: "file"))
    var file: String

    @Flag(help: "Print what would change, and change nothing.") var dryRun = false
    @Flag(help: "Delete what the file's sections do not name, with the logs of deleted gateways.") var prune = false
    @Option(help: "Account (default: the node's first account).") var account: String?
    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let access = try DeclarationAccess(options)
        let account = try access.account(account)
        let name = file == "-" ? "standard input" : file
        let content: [UInt8]
        do throws(SettingsError) { content = try DeclarationsFile.read(file) } catch {
            throw ExitStatus.configuration.because(error.message)
        }
        let pruning: DeclarationAdministration.Pruning = prune ? .deleteOthers : .keepOthers
        let effect: DeclarationAdministration.Effect = dryRun ? .rehearsal : .lasting
        let outcome: DeclarationAdministration.Outcome
        do {
            let declarations = try DeclarationAccess.reader(access.settings).read(content)
            let administration = try access.administration()
            let author = ChangeAuthor.declarations(file: String(name.split(separator: "/").last ?? ""))
            outcome = try await ChangeAuthor.$current.withValue(author) {
                try await administration.apply(declarations, to: account, pruning, effect)
            }
        } catch let failure as DeclarationFailure {
            throw DeclarationAccess.failure(failure, name)
        }
        for line in outcome.report.lines { print(line) }
        print(Self.summary(outcome.report, effect))
    }

    private static func summary(
        _ report: DeclarationReport, _ effect: DeclarationAdministration.Effect
    ) -> String {
        if report.changes.isEmpty { return "no changes" }
        switch effect {
        case .lasting: return "\(report.created) created, \(report.updated) changed, \(report.deleted) deleted"
        case .rehearsal:
            return "\(report.created) to create, \(report.updated) to change, \(report.deleted) to delete; "
                + "nothing was changed"
        }
    }
}
