import GatewayCore
package import PostgresStore

/// Connections for what may take long because a caller asks for much: lists of logs, reports, the audit log.
///
/// They are none of those that tokens, changes and snapshots need, and an account has a few of them at a time.
package struct ReadingPool: Sendable {
    /// Statements of one account that run at once.
    package static let placesOfAccount = 2
    /// Callers of one account that wait for their turn; more are refused.
    package static let waitingOfAccount = 16

    let pool: PostgresPool
    private let turns = AccountTurns(
        places: ReadingPool.placesOfAccount, waiting: ReadingPool.waitingOfAccount)

    package init(_ pool: PostgresPool) { self.pool = pool }

    /// Reads when it is the account's turn.
    func reading<T: Sendable>(
        of account: AccountID, _ body: () async throws -> T
    ) async throws(ControlError) -> T {
        try await storing {
            do {
                return try await turns.take(account, body)
            } catch is AccountTurns.TooManyWait {
                throw ControlError.tooManyReaders
            } catch is CancellationError {
                throw ControlError.storeUnavailable
            }
        }
    }
}
