import ArgumentParser
import Foundation
import GatewayCore
import Providers
import Settings

/// `aigatewayd prices import`: LiteLLM's public price file becomes a list of the gateway's own form.
struct PricesImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Make a price list from LiteLLM's model_prices_and_context_window.json.",
        discussion: """
            The list goes to standard output, or with --output to a file, which is replaced only by a list that `serve` \
            takes. It extends the built-in list: what it does not have keeps its built-in price.
            """
    )

    @Argument(help: ArgumentHelp("LiteLLM's file; - is standard input.", valueName: "file"))
    var file: String

    @Option(name: .long, help: ArgumentHelp("Where to write the list.", valueName: "file"))
    var output: String?

    func run() throws {
        let source: [UInt8]
        do throws(SettingsError) {
            source = try file == "-" ? standardInput() : PriceListFile.read(file)
        } catch {
            throw ExitStatus.configuration.because(error.message)
        }
        let list: LiteLLMPrices
        do throws(LiteLLMPrices.Failure) {
            list = try LiteLLMPrices(source, builtIn: try builtIn())
        } catch {
            switch error {
            case .notAnObject: throw ExitStatus.configuration.because("\(file) is no JSON object")
            case .noModels: throw ExitStatus.configuration.because("\(file) has no model with a litellm_provider")
            }
        }
        let text = list.text(retrieved: String(Timestamp.text(CommandClock().now).prefix(10)))
        try write(text, strange: try check(text))
        report(list)
    }

    private func standardInput() throws(SettingsError) -> [UInt8] {
        do {
            return [UInt8](try FileHandle.standardInput.readToEnd() ?? Data())
        } catch {
            throw SettingsError("standard input cannot be read")
        }
    }

    private func builtIn() throws(LiteLLMPrices.Failure) -> PriceCatalog {
        // The list that was built in is checked by its own tests; without it nothing of the program works.
        do { return try PriceCatalog() } catch { throw .noModels }
    }

    /// - Returns: how many prices of the list are too high to be true.
    private func check(_ text: String) throws -> Int {
        do throws(SettingsError) {
            return try PriceListFile.check(Array(text.utf8), output ?? "the list").strangeRates
        } catch {
            throw ExitStatus.internalFailure.because(error.message)
        }
    }

    private func write(_ text: String, strange: Int) throws {
        if strange > 0 { note("\(strange) prices are too high to be true; they count as unknown") }
        guard let output else {
            FileHandle.standardOutput.write(Data(text.utf8))
            return
        }
        do {
            try Data(text.utf8).write(to: URL(fileURLWithPath: output), options: .atomic)
        } catch {
            throw ExitStatus.configuration.because("\(output) cannot be written")
        }
    }

    private func report(_ list: LiteLLMPrices) {
        note("\(list.count) models of \(list.providers) providers")
        if list.unpriced > 0 { note("\(list.unpriced) models without a price, or of one region or size, left out") }
        let unknown = list.unknownProviders.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        if !unknown.isEmpty {
            note("models of providers that are not served, left out: \(unknown.joined(separator: ", "))")
        }
    }

    private func note(_ text: String) {
        FileHandle.standardError.write(Data("\(text)\n".utf8))
    }
}
