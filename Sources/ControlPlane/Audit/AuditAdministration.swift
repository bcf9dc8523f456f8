package import GatewayCore
package import PostgresStore

/// What operators ask the audit log (control-plane.md §19).
package struct AuditAdministration: Sendable {
    private let entries: AuditRepository
    private let reading: ReadingPool

    package init(_ reading: ReadingPool) {
        self.reading = reading
        entries = AuditRepository(reading.pool)
    }

    /// - Parameter number: of the entry behind which to go on; nil for the beginning.
    package func list(
        of account: AccountID, _ selection: AuditRepository.Selection, after number: Int?, limit: Int
    ) async throws(ControlError) -> [AuditRepository.Entry] {
        try await reading.reading(of: account) {
            try await entries.list(of: account, selection, after: number, limit: limit)
        }
    }

    package func page(
        of account: AccountID, _ selection: AuditRepository.Selection, _ page: PageRequest
    ) async throws(ControlError) -> Page<AuditRepository.Entry> {
        try await reading.reading(of: account) { try await entries.page(of: account, selection, page) }
    }
}
