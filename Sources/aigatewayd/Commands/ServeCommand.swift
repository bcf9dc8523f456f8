import ArgumentParser
import GatewayCore
import Settings
import Telemetry

/// `aigatewayd serve`: the daemon itself.
struct ServeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Run the daemon: front, workers, control and, without URLs, embedded stores (the default command).",
        discussion: """
            SIGTERM and SIGINT finish what is in flight and end with status 0; a second one ends at once. SIGHUP reads \
            the configuration again.
            """
    )

    @OptionGroup var options: SettingsOptions

    func run() throws {
        let input = options.input
        let settings = try options.load()
        StandardErrorLog.install(level: settings.log.level, format: settings.log.format, process: "supervisor")
        let plan: NodePlan
        do {
            plan = try NodePlan(settings, input: input)
        } catch let error as SettingsError {
            throw ExitStatus.configuration.because(error.message)
        } catch {
            throw ExitStatus.internalFailure.because("\(error)")
        }
        let status = runSupervisor(plan.configuration())
        if status != 0 { throw ExitCode(status) }
    }
}
