import ArgumentParser
import Providers
import Settings

/// `aigatewayd prices check`: whether `serve` would take a price list.
struct PricesCheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Say whether a file can be used as prices.file.",
        discussion: "Exit status 78 names the first line that cannot be used."
    )

    @Argument(help: ArgumentHelp("A price list.", valueName: "file"))
    var file: String

    func run() throws {
        do throws(SettingsError) {
            let list = try PriceListFile.check(try PriceListFile.read(file), file)
            print("\(list.count) models")
            if list.strangeRates > 0 {
                print("\(list.strangeRates) prices are too high to be true; they count as unknown")
            }
        } catch {
            throw ExitStatus.configuration.because(error.message)
        }
    }
}
