import ArgumentParser
import ControlPlane
import GatewayCore
import PostgresStore
import Settings

/// `aigatewayd credit`: the prepaid credit that the operator gives to accounts.
struct CreditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "credit", abstract: "Grant prepaid credit to accounts, take it back, show it.",
        subcommands: [CreditGrantCommand.self, CreditTakeCommand.self, CreditShowCommand.self]
    )

    /// Whose credit is meant.
    struct Place: ParsableArguments {
        @Option(help: "Account (default: the node's first account).") var account: String?
        @OptionGroup var options: SettingsOptions

        /// The use cases over the node's database, and the account that is meant.
        func open() throws -> (credit: CreditAdministration, account: AccountID) {
            let chosen = try TokenCommand.account(account)
            let settings = try options.load()
            let pool = PostgresPool(try DatabaseAccess(settings).options, size: 1)
            let file = try? CredentialsFile(stateDirectory: settings.stateDirectory).read()
            guard let account = chosen ?? settings.bootstrapAccount ?? file?.account else {
                throw ValidationError("--account is needed")
            }
            return (CreditAdministration(pool, clock: CommandClock()), account)
        }

        /// Adds a movement and prints the new balance.
        func add(_ cents: Int, note: String) async throws {
            let (credit, account) = try open()
            do throws(ControlError) {
                _ = try await credit.grant(cents, note: note, to: account)
                print(try await credit.balance(of: account))
            } catch .notFound {
                throw ExitStatus.usage.because("there is no account \(account)")
            } catch {
                throw TokenCommand.failure(error)
            }
        }
    }
}

/// `aigatewayd credit grant`: gives credit and prints the new balance.
struct CreditGrantCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "grant", abstract: "Give an account credit; prints its new balance in US cents."
    )

    @Argument(help: "US cents, above 0.") var amount: Int
    @Option(help: "What it is for.") var note = ""
    @OptionGroup var place: CreditCommand.Place

    func validate() throws {
        if amount <= 0 { throw ValidationError("the amount has to be above 0") }
    }

    func run() async throws { try await place.add(amount, note: note) }
}

/// `aigatewayd credit take`: takes credit back and prints the new balance.
struct CreditTakeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "take", abstract: "Take credit back; prints the new balance in US cents."
    )

    @Argument(help: "US cents, above 0.") var amount: Int
    @Option(help: "What it is for.") var note = ""
    @OptionGroup var place: CreditCommand.Place

    func validate() throws {
        if amount <= 0 { throw ValidationError("the amount has to be above 0") }
    }

    func run() async throws { try await place.add(-amount, note: note) }
}

/// `aigatewayd credit show`: the balance, then the newest movements, one line each.
struct CreditShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Print an account's credit in US cents, then its newest movements."
    )

    @OptionGroup var place: CreditCommand.Place

    func run() async throws {
        let (credit, account) = try place.open()
        do throws(ControlError) {
            print(try await credit.balance(of: account))
            for entry in try await credit.entries(of: account, page: PageRequest(size: 100)).items {
                let line = [
                    Timestamp.text(entry.createdAt), String(entry.amountCents), TokenListCommand.printable(entry.note),
                ]
                print(line.joined(separator: "\t"))
            }
        } catch {
            throw TokenCommand.failure(error)
        }
    }
}
