import ArgumentParser

/// `aigatewayd prices`: price lists from a shell.
struct PricesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prices", abstract: "Check a price list, or make one from LiteLLM's public file.",
        subcommands: [PricesCheckCommand.self, PricesImportCommand.self]
    )
}
