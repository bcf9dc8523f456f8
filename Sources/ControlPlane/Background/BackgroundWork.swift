import PostgresStore

/// Work in PostgreSQL that is done in pieces, for as long as there is some, by any node.
///
/// What fails is tried again: told once per outage, and not at all when two transactions merely met.
struct BackgroundWork: Sendable {
    /// Between looks for work while there is none.
    let pause: Duration
    var pauseAfterFailure = Duration.seconds(2)
    /// Told of the first failure of an outage.
    let report: @Sendable (String) -> Void

    /// Works until the task is cancelled.
    ///
    /// - Parameter step: one piece; whether there may be more at once.
    func run(_ step: () async throws -> Bool) async {
        var isWaiting = false
        while !Task.isCancelled {
            var pause = pause
            do {
                if try await step() { pause = .zero }
                isWaiting = false
            } catch {
                if (error as? PostgresError)?.isTransient != true, !isWaiting {
                    report("\(error)")
                    isWaiting = true
                }
                pause = pauseAfterFailure
            }
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }
}
