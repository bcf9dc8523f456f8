import Foundation
import PostgresStore
import TestKit

/// Databases for the tests of this target.
enum TestDatabase {
    static var migrations: [Migration] {
        get throws {
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            return try MigrationSource(directory: root.appendingPathComponent("migrations").path).load()
        }
    }

    /// A database with the present schema.
    static func migrated(on server: PostgresServer = .shared) async throws -> String {
        try await server.database(template: "migrated") { url in
            _ = try await Migrator(PostgresOptions(url: url)).migrate(TestDatabase.migrations)
        }
    }
}
