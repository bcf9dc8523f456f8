import Foundation

/// One step of the schema's history.
package struct Migration: Sendable, Equatable {
    /// The number its file name starts with; the order of application.
    package var number: Int
    /// The file name.
    package var name: String
    package var sql: String

    package init(number: Int, name: String, sql: String) {
        self.number = number
        self.name = name
        self.sql = sql
    }

    /// First 64 bits of FNV-1a over the text, in hexadecimal; tells an edited file from the applied one.
    package var checksum: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in sql.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        return String(hash, radix: 16)
    }
}

/// Why the schema could not be brought up to date.
package enum MigrationError: Error, Sendable, Equatable, CustomStringConvertible {
    case directoryNotFound(tried: [String])
    case unreadable(path: String)
    /// The file name does not start with a number and an underscore, or a number occurs twice.
    case misnamed(name: String)
    /// A migration was changed after it had been applied.
    case changed(name: String)
    /// The database was migrated by a newer release than this one.
    case newerSchema(number: Int)
    case failed(name: String, PostgresError)
    case database(PostgresError)

    package var description: String {
        switch self {
        case .directoryNotFound(let tried): "no migrations directory at " + tried.joined(separator: ", ")
        case .unreadable(let path): "cannot read \(path)"
        case .misnamed(let name): "migration \(name) must be named NNNN_what.sql with a number of its own"
        case .changed(let name): "migration \(name) differs from what was applied"
        case .newerSchema(let number): "the database has migration \(number), which this release does not know"
        case .failed(let name, let error): "migration \(name): \(error)"
        case .database(let error): error.description
        }
    }

    /// Whether waiting for the server may help.
    package var isUnavailable: Bool {
        switch self {
        case .failed(_, let error), .database(let error): error.isUnavailable
        default: false
        }
    }

    /// Whether it may work when it is done again: the server is away, or others were in the way.
    package var isTemporary: Bool {
        switch self {
        case .failed(_, let error), .database(let error): error.isUnavailable || error.isTransient
        default: false
        }
    }
}

/// Where the migration files lie.
package struct MigrationSource: Sendable {
    package var directory: String

    package init(directory: String) { self.directory = directory }

    /// Finds the directory: beside an installed executable, above one in a build directory, else in the working
    /// directory.
    package static func locate(executable: String) throws(MigrationError) -> MigrationSource {
        var candidates: [String] = []
        var folder = URL(fileURLWithPath: executable).resolvingSymlinksInPath().deletingLastPathComponent()
        candidates.append(folder.appendingPathComponent("../share/aigatewayd/migrations").standardizedFileURL.path)
        for _ in 0..<6 where folder.path != "/" {
            candidates.append(folder.appendingPathComponent("migrations").path)
            folder.deleteLastPathComponent()
        }
        candidates.append(FileManager.default.currentDirectoryPath + "/migrations")
        for candidate in candidates where FileManager.default.fileExists(atPath: candidate + "/0001_configuration.sql")
        {
            return MigrationSource(directory: candidate)
        }
        throw MigrationError.directoryNotFound(tried: candidates)
    }

    /// All migrations, in order.
    package func load() throws(MigrationError) -> [Migration] {
        let names: [String]
        do {
            names = try FileManager.default.contentsOfDirectory(atPath: directory)
        } catch {
            throw MigrationError.unreadable(path: directory)
        }
        var migrations: [Migration] = []
        for name in names.sorted() where name.hasSuffix(".sql") {
            guard let underscore = name.firstIndex(of: "_"), let number = Int(name[..<underscore]), number > 0,
                number != migrations.last?.number
            else { throw MigrationError.misnamed(name: name) }
            let path = directory + "/" + name
            guard let data = FileManager.default.contents(atPath: path), let sql = String(data: data, encoding: .utf8)
            else { throw MigrationError.unreadable(path: path) }
            migrations.append(Migration(number: number, name: name, sql: sql))
        }
        return migrations.sorted { $0.number < $1.number }
    }
}

/// Brings the schema up to date; several nodes may do so at once.
package struct Migrator: Sendable {
    /// How often a migration is tried that meets other nodes' transactions.
    private static let attempts = 10
    private static let pause = Duration.milliseconds(500)
    /// Everybody else waits behind a migration that waits for a table.
    private static let lockLimit: StaticString = "SET LOCAL lock_timeout = '2s'"

    private let options: PostgresOptions

    package init(_ options: PostgresOptions) {
        var patient = options
        // A migration may rewrite tables, and another node's migration may be waited for.
        patient.statementTimeout = .seconds(3600)
        self.options = patient
    }

    /// Applies what is missing and returns it.
    ///
    /// Each migration is one transaction together with its record. One that ran into a deadlock with a node that stores
    /// records, or waited for a table for two seconds, is tried again.
    package func migrate(_ migrations: [Migration]) async throws(MigrationError) -> [Migration] {
        let session = PostgresSession(options)
        do throws(PostgresError) {
            // One at a time in the whole cluster; the lock goes with the connection.
            _ = try await session.query("SELECT pg_advisory_lock(hashtext('aigatewayd migrations'))")
            _ = try await session.query(
                """
                CREATE TABLE IF NOT EXISTS schema_migrations (
                    number integer PRIMARY KEY,
                    name text NOT NULL,
                    checksum text NOT NULL,
                    applied_at timestamptz NOT NULL DEFAULT now()
                )
                """)
        } catch {
            throw MigrationError.database(error)
        }
        let applied = try await applied(by: session)
        if let newest = applied.keys.max(), newest > (migrations.last?.number ?? 0) {
            throw MigrationError.newerSchema(number: newest)
        }
        var fresh: [Migration] = []
        for migration in migrations {
            if let checksum = applied[migration.number] {
                guard checksum == migration.checksum else { throw MigrationError.changed(name: migration.name) }
                continue
            }
            do throws(PostgresError) {
                try await apply(migration, in: session)
            } catch {
                await session.close()
                throw MigrationError.failed(name: migration.name, error)
            }
            fresh.append(migration)
        }
        await session.close()
        return fresh
    }

    private func apply(_ migration: Migration, in session: PostgresSession) async throws(PostgresError) {
        for attempt in 1... {
            do throws(PostgresError) {
                try await session.begin()
                _ = try await session.query(Self.lockLimit)
                try await session.run(script: migration.sql, within: options.statementTimeout)
                _ = try await session.query(
                    "INSERT INTO schema_migrations (number, name, checksum) VALUES ($1, $2, $3)",
                    [.int(migration.number), .text(migration.name), .text(migration.checksum)]
                )
                return try await session.commit()
            } catch {
                await session.rollback()
                guard error.isTransient, attempt < Self.attempts else { throw error }
            }
            // Cancelled: tried again at once.
            try? await Task.sleep(for: Self.pause)
        }
    }

    private func applied(by session: PostgresSession) async throws(MigrationError) -> [Int: String] {
        do throws(PostgresError) {
            var applied: [Int: String] = [:]
            for row in try await session.query("SELECT number, checksum FROM schema_migrations") {
                applied[try row.int("number")] = try row.text("checksum")
            }
            return applied
        } catch {
            throw MigrationError.database(error)
        }
    }
}
