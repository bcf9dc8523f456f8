import ArgumentParser

/// `aigatewayd control --inherited`: the control role, started by the supervisor only.
struct ControlCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "control", abstract: "The control process of a node.", shouldDisplay: false
    )

    @Flag(name: .long, help: "Settings, key and sockets are inherited from the supervisor.")
    var inherited = false

    func validate() throws {
        if !inherited { throw ValidationError("control is started by the supervisor; use 'aigatewayd serve'") }
    }

    func run() async throws {
        let status = await runControl()
        if status != 0 { throw ExitCode(status) }
    }
}
