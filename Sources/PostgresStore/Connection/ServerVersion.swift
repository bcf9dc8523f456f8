/// Asks a server which release it is; doing so proves that it can be reached and lets us in.
package enum ServerVersion {
    /// `15.9`, or the longer text of a distribution's build.
    package static func read(_ options: PostgresOptions) async throws(PostgresError) -> String {
        let session = PostgresSession(options)
        do throws(PostgresError) {
            let rows = try await session.query("SELECT current_setting('server_version') AS version")
            let version = try rows.first?.text("version") ?? "unknown"
            await session.close()
            return version
        } catch {
            await session.close()
            throw error
        }
    }
}
