import ArgumentParser
import GatewayCore
import PostgresStore
import Settings

/// `aigatewayd migrate`: brings the database's schema up to date and prints each step.
struct MigrateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "migrate", abstract: "Apply the missing schema migrations and print each one."
    )

    @OptionGroup var options: SettingsOptions

    func run() async throws {
        let settings = try options.load()
        let database = try DatabaseAccess(settings)
        do throws(MigrationError) {
            let migrations = try MigrationSource.locate(executable: DatabaseAccess.executable).load()
            let applied = try await Migrator(database.options).migrate(migrations)
            for migration in applied { print("applied \(migration.name)") }
            print(applied.isEmpty ? "the schema is up to date" : "the schema is at \(migrations.last?.name ?? "")")
        } catch {
            throw (error.isTemporary ? ExitStatus.unavailable : .internalFailure).because(error.description)
        }
    }
}
