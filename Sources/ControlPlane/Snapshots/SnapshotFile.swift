package import GatewayCore
package import RecordSpool

/// The last good snapshot on disk, from which a node starts while PostgreSQL is away.
package struct SnapshotFile: Sendable {
    package var path: String

    package init(path: String) { self.path = path }

    /// Replaces the file atomically and durably; mode 0600, since it holds sealed secrets and token hashes.
    package func save(_ snapshot: ConfigSnapshot) throws(SpoolError) {
        try FileBytes.replace(path, with: snapshot.encoded(), durability: .disk)
    }

    /// Nil when there is no file or it is damaged.
    package func load() -> ConfigSnapshot? {
        FileBytes.read(path).flatMap { ConfigSnapshot(decoding: $0) }
    }
}
